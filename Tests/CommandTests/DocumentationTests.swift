import Foundation
import JSON
import Testing

/// The pages of `docs`, the README and CONTRIBUTING, held against the program and against each other.
@Suite("The documentation")
struct DocumentationTests {
  private static let root = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  private static func text(_ page: String) throws -> String {
    try String(contentsOf: root.appendingPathComponent(page), encoding: .utf8)
  }

  /// Paths from the repository's root.
  static let pages: [String] = {
    let found = FileManager.default.enumerator(atPath: root.appendingPathComponent("docs").path)
    let inside = (found?.compactMap { $0 as? String } ?? []).filter { $0.hasSuffix(".md") }
    return inside.map { "docs/\($0)" }.sorted() + ["README.md", "CONTRIBUTING.md"]
  }()

  /// The anchor that a heading has on a repository's page.
  private static func anchor(_ heading: Substring) -> String {
    let kept = heading.lowercased().unicodeScalars.filter {
      $0.properties.isAlphabetic || $0.properties.numericType != nil
        || " -_".unicodeScalars.contains($0)
    }
    return String(String.UnicodeScalarView(kept)).replacingOccurrences(of: " ", with: "-")
  }

  @Test("Every link of a page leads to a file, and to a heading in it", arguments: pages)
  func links(_ page: String) throws {
    let here = Self.root.appendingPathComponent(page)
    for link in try Self.text(page).matches(of: /\]\(([^)\s]+)\)/) where !link.1.contains("://") {
      let parts = link.1.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
      let target =
        parts[0].isEmpty
        ? here
        : here.deletingLastPathComponent().appendingPathComponent(String(parts[0])).standardized
      guard FileManager.default.fileExists(atPath: target.path) else {
        Issue.record("\(page): \(link.1) leads nowhere")
        continue
      }
      guard parts.count == 2, target.pathExtension == "md" else { continue }
      let headings = try String(contentsOf: target, encoding: .utf8).matches(of: /(?m)^#+ (.+)$/)
      #expect(
        headings.contains { Self.anchor($0.1) == parts[1] },
        "\(page): \(link.1) is no heading there")
    }
  }

  @Test("The index leads to every page")
  func index() throws {
    let index = try Self.text("docs/README.md")
    for page in Self.pages where page.hasPrefix("docs/") && page != "docs/README.md" {
      #expect(index.contains("](\(page.dropFirst("docs/".count)))"), "\(page)")
    }
  }

  @Test("Commands in the pages are commands, with options that they have", arguments: pages)
  func commands(_ page: String) throws {
    for block in try Self.text(page).matches(of: /(?ms)^```\w*\n(.*?)^```/) {
      let joined = block.1.replacingOccurrences(of: "\\\n", with: " ")
      for line in joined.split(separator: "\n") {
        guard let call = line.firstMatch(of: /^(?:\$ )?(?:\S*\/)?tca-lab ([^#|>]*)/) else {
          continue
        }
        // What is quoted is a value.
        let words = call.1.replacing(/'[^']*'|"[^"]*"/, with: "VALUE").split(separator: " ")
        let command = try #require(
          Self.program.first { words.starts(with: $0.path) }, "\(page): \(line)")
        for word in words where word.hasPrefix("--") {
          let name = String(word.dropFirst(2).prefix { $0 != "=" })
          #expect(command.options.contains(name), "\(page): \(line)")
        }
      }
    }
  }

  @Test("docs/commands.md is what --help prints, command by command; UPDATE_GOLDEN=1 writes it")
  func commandsPage() throws {
    let lab = try Lab()
    var page = """
      # Commands

      What `tca-lab COMMAND --help` prints. Paths are [taken letter by letter](experiments.md#paths); exit codes stand under `tca-lab`.

      """
    for command in Self.program.reversed() {
      let path = command.path.map(String.init)
      let help = try lab.start(path + ["--help"]).wait().out
      let level = path.count < 2 ? "##" : "###"
      page +=
        "\n\(level) \((["tca-lab"] + path).joined(separator: " "))\n\n```text\n\(help.trimmed)\n```\n"
    }
    let file = Self.root.appendingPathComponent("docs/commands.md")
    if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
      try page.write(to: file, atomically: true, encoding: .utf8)
    }
    #expect(try String(contentsOf: file, encoding: .utf8) == page, "UPDATE_GOLDEN=1 renews it")
  }

  // MARK: The program's commands

  struct Command: Sendable {
    let path: [Substring]
    let options: Set<String>
  }

  /// Every command, the longest paths first, so that `models list` is met before `models`.
  static let program: [Command] = {
    var found: [Command] = []
    func walk(_ value: JSONValue, _ path: [Substring]) {
      let arguments = value["arguments"]?.arrayValue ?? []
      let names = arguments.flatMap { $0["names"]?.arrayValue ?? [] }
      found.append(
        Command(
          path: path,
          options: Set(names.compactMap { $0["name"]?.stringValue } + ["help", "version"])))
      for next in value["subcommands"]?.arrayValue ?? [] {
        guard let name = next["commandName"]?.stringValue, name != "help" else { continue }
        walk(next, path + [Substring(name)])
      }
    }
    if let dump = try? Lab().run("--experimental-dump-help").out,
      let value = try? JSONValue(parsing: dump), let root = value["command"]
    {
      walk(root, [])
    }
    return found.reversed()
  }()
}

extension String {
  /// Without blank space at the ends of lines and of the text.
  fileprivate var trimmed: String {
    split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.reversed().drop { $0 == " " }.reversed()) }
      .joined(separator: "\n").trimmingCharacters(in: .newlines)
  }
}
