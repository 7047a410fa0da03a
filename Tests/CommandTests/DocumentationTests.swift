import ArgumentParser
import Foundation
import Testing

@testable import tca_lab

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

  @Test("Commands in the pages are commands that the program takes", arguments: pages)
  func commands(_ page: String) throws {
    // What is marked as text is the program's own help, broken into lines; `HelpTests` hold its examples.
    for block in try Self.text(page).matches(of: /(?ms)^```(?!text)\w*\n(.*?)^```/) {
      for line in CommandLines.lines(of: block.1) {
        guard line.contains(#/^(?:\$ )?(?:\S*/)?tca-lab /#) else { continue }
        let words = CommandLines.words(of: line).drop { $0 == "$" }.dropFirst()
        #expect(throws: Never.self, "\(page): \(line)") {
          _ = try TCALab.parseAsRoot(Array(words))
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
    for command in [""] + HelpTests.commands {
      let path = command.split(separator: " ").map(String.init)
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
}

extension String {
  /// Without blank space at the ends of lines and of the text.
  fileprivate var trimmed: String {
    split(separator: "\n", omittingEmptySubsequences: false)
      .map { String($0.reversed().drop { $0 == " " }.reversed()) }
      .joined(separator: "\n").trimmingCharacters(in: .newlines)
  }
}
