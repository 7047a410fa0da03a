import Foundation
import Testing

@Suite("The architecture page")
struct ArchitectureTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
  }

  /// What each module uses, by the rows of the page's first table.
  private static func documented() throws -> [String: Set<String>] {
    let rows = try text("docs/architecture.md").matches(
      of: /(?m)^\| `([\w-]+)` \|[^|\n]*\|([^|\n]*)\|$/)
    return Dictionary(
      rows.map { row in
        (String(row.1), Set(row.2.matches(of: /`([\w-]+)`/).map { String($0.1) }))
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The same by the targets of Package.swift; tests, plugins and other packages left out.
  private static func declared() throws -> [String: Set<String>] {
    let targets = try text("Package.swift").matches(
      of:
        #/
        (?:\ library\(|\.target\(|\.executableTarget\(|\.systemLibrary\()
        \s*(?:name:\ )?"(?<name>[\w\-]+)"
        (?:,\s*(?:dependencies:\s*)?\[(?<uses>[^\]]*)\])?
        /#)
    return Dictionary(
      targets.map { target in
        let uses = (target.uses ?? "").matches(of: /"([\w-]+)"/).map { String($0.1) }
        return (String(target.name), Set(uses))
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Modules lie in Sources, those for tests alone beside the tests.
  private static let testModules: Set = ["LabTestSupport", "tiny-model"]

  private static func folders() throws -> Set<String> {
    let folders = try FileManager.default.contentsOfDirectory(
      atPath: root.appendingPathComponent("Sources").path)
    return Set(folders.filter { !$0.hasPrefix(".") }).union(testModules)
  }

  private static func folder(of module: String) -> URL {
    root.appendingPathComponent("\(testModules.contains(module) ? "Tests" : "Sources")/\(module)")
  }

  @Test("It has a row for each module, with the arrows of Package.swift")
  func arrows() throws {
    let documented = try Self.documented()
    let declared = try Self.declared()
    #expect(Set(declared.keys) == (try Self.folders()))
    #expect(Set(documented.keys) == Set(declared.keys))
    for (module, uses) in declared {
      #expect(documented[module] == uses, "\(module)")
    }
  }

  @Test("A module imports what it declares, all of it and nothing else")
  func imports() throws {
    let declared = try Self.declared()
    for (module, uses) in declared {
      var imported: Set<String> = []
      let files = FileManager.default.enumerator(
        at: Self.folder(of: module), includingPropertiesForKeys: nil)
      var isSwift = false
      while let file = files?.nextObject() as? URL {
        guard file.pathExtension == "swift" else { continue }
        isSwift = true
        let text = try String(contentsOf: file, encoding: .utf8)
        for line in text.matches(of: /(?m)^(?:\w+ )?import (\w+)$/) {
          imported.insert(String(line.1))
        }
      }
      guard isSwift else { continue }
      #expect(imported.intersection(declared.keys) == uses, "\(module)")
    }
  }

  @Test("Arrows lead in no circle")
  func acyclic() throws {
    var open = try Self.declared()
    while !open.isEmpty {
      let ready = open.filter { $0.value.isDisjoint(with: open.keys) }.keys
      try #require(!ready.isEmpty, "in a circle: \(open.keys.sorted())")
      for module in ready { open[module] = nil }
    }
  }
}
