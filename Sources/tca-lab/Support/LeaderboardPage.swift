import Attention
import Foundation
import Records
import Reports
import ResultStore

/// The leaderboard as a page in Markdown, from a database.
struct LeaderboardPage {
  static let standardPath = "results/README.md"

  /// The first line: by it the program knows its own page again.
  static let mark =
    "<!-- Written by tca-lab report --leaderboard: every number is from a result database. Changes by hand are lost. -->"

  let text: String
  /// Experiments that it would have shown.
  let missing: [String]

  /// Throws a failure where the database has none of the experiments that a leaderboard is made of.
  init(_ store: ResultStore, path: String) throws {
    let stored = try store.experimentNames()
    let names = Leaderboard.names.filter(stored.contains)
    guard names.contains(where: Leaderboard.qualityNames.contains) else {
      throw Failure(
        .usage,
        "\"\(path)\" holds none of the experiments \(Leaderboard.qualityNames.map { "\"\($0)\"" }.joined(separator: ", ")); run one: tca-lab run experiments/leaderboard.json"
      )
    }
    let leaderboard = Leaderboard(
      try names.map { try store.results(of: $0) },
      strategies: StrategyRegistry.builtIn.descriptions)
    text = Self.mark + "\n" + MarkdownRenderer().files(of: leaderboard.report)[0].text
    missing = Leaderboard.names.filter { !stored.contains($0) }
  }

  /// Throws a failure where a file that this program did not write is in the way.
  func write(to written: String) throws {
    let path = try WrittenPath.file(written)
    let url = URL(fileURLWithPath: path)
    if FileManager.default.fileExists(atPath: path) {
      guard WrittenPath.isRegularFile(path), let present = try? Data(contentsOf: url),
        present.starts(with: Data(Self.mark.utf8))
      else {
        throw Failure(
          .usage,
          "\"\(path)\" was not written by this command, so it is left alone; move it away, or name another file with --output"
        )
      }
    }
    try WrittenFile.makeFolder(url.deletingLastPathComponent().path)
    try WrittenFile.write(Data(text.utf8), to: path)
  }
}
