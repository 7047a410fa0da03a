import Attention
import Foundation
import Testing

/// What a strategy's file may not know of, read from the sources of the checkout that was built.
@Suite("Files of strategies")
struct StrategyFilesTests {
  private static let attention = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Sources/Attention")

  private static func files(_ folder: String) throws -> [(name: String, text: String)] {
    let folder = attention.appendingPathComponent(folder)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    return try names.filter { $0.hasSuffix(".swift") }.map {
      ($0, try String(contentsOf: folder.appendingPathComponent($0), encoding: .utf8))
    }
  }

  private static func lines(_ text: String) -> [Substring] {
    text.split(separator: "\n", omittingEmptySubsequences: false).dropLast(
      text.hasSuffix("\n") ? 1 : 0)
  }

  @Test(
    "No strategy knows of kernels or threads",
    arguments: ["Strategies", "TCA", "TCAPlus", "PrefillSparsity", "Oracles"])
  func imports(folder: String) throws {
    let files = try Self.files(folder)
    #expect(!files.isEmpty)
    for file in files {
      for module in ["Kernels", "Threads", "Synchronization"] {
        #expect(
          !Self.lines(file.text).contains { $0.hasSuffix("import \(module)") },
          "\(file.name) imports \(module); ask the LayerView, or extend it in View")
      }
    }
  }

  @Test("Each strategy of the registry has a file, and the registry names each file")
  func registered() throws {
    // ComposedStrategy has a folder of its own.
    #expect(
      try Self.files("Strategies").count == StrategyRegistry.builtIn.entries.count - 1)
  }

  @Test("A scorer is short: Knorm takes at most 40 lines, 20 of them code")
  func knorm() throws {
    let file = try #require(try Self.files("Strategies").first { $0.name == "Knorm.swift" })
    let lines = Self.lines(file.text).map { $0.trimmingCharacters(in: .whitespaces) }
    #expect(lines.count <= 40)
    #expect(lines.count { !$0.isEmpty && !$0.hasPrefix("//") } <= 20)
  }
}
