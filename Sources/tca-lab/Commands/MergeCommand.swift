import ArgumentParser
import Foundation
import Records
import ResultStore

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge", abstract: "Unites result databases that were written elsewhere.",
    discussion: """
      Example: tca-lab merge shard-1.sqlite shard-2.sqlite --into results/tca-lab.sqlite

      Sources are never changed, and what has been merged before is not merged again. Two databases that hold different
      results of one cell, measured by one build with the same BLAS kernels, are not united; from different ones both
      results stay, and the newest are shown.
      """)

  @Argument(
    help: ArgumentHelp("The databases to take over.", valueName: "db"), completion: .databases)
  var sources: [String]
  @Option(
    name: .customLong("into"),
    help: ArgumentHelp(
      "The database that takes them over; made where it is missing.", valueName: "db"),
    completion: .databases)
  var target: String

  func run() throws {
    // A target is made for something only.
    var store: ResultStore?
    var failures: [StoreError] = []
    for source in sources {
      do {
        if store == nil, !FileManager.default.fileExists(atPath: target) {
          _ = try ResultStore(path: source, access: .reading)
        }
        let into = try store ?? ResultStore(path: target, access: .writing)
        store = into
        try Output.text("\(source): \(Self.text(of: into.merge(source)))")
      } catch var error as StoreError where error.file != target {
        if error.advice.contains("--db") { error.advice = "Leave it out, or name another file." }
        Log.line("tca-lab: \(error)")
        failures.append(error)
      } catch var error as StoreError {
        error.advice = error.advice.replacing("--db", with: "--into")
        throw error
      }
    }
    try store?.close()
    if !failures.isEmpty {
      throw Failure(
        .database, "\(failures.count) of \(sources.count) databases were not merged; see above")
    }
  }

  private static func text(of summary: MergeSummary) -> String {
    if summary.isTargetItself { return "the target itself, left out" }
    if summary.runs == 0, summary.cells == 0 { return "nothing new" }
    return "new results of \(summary.cells.counting("cell")), \(summary.runs.counting("new run"))"
  }
}
