import ArgumentParser
import Reports
import ResultStore

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Paired differences of two strategies or two runs, with intervals.",
    discussion: """
      Example: tca-lab compare tca streaming-llm
      Two numbers are runs: tca-lab compare 1 2
      """)

  @Argument(help: "A strategy as reports label it, or a run's number.") var first: String
  @Argument(help: "What is compared with it.") var second: String
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: ArgumentHelp(
      "An experiment to stay in (default: all that have both strategies).", valueName: "name"))
  var experiment: String?

  func run() throws {
    let store = try ResultStore(path: database.path, access: .reading)
    let report: Report
    if let first = Int64(first), let second = Int64(second) {
      report = try Report(
        comparingRun: store.results(ofRun: first), with: store.results(ofRun: second))
    } else {
      let names: [String]
      if let experiment {
        names = [experiment]
      } else {
        let both = try store.experimentNames(having: [first, second])
        // Where nowhere has both, what there is helps to say so.
        names = both.isEmpty ? try store.experimentNames() : both
      }
      report = try Report(
        comparing: first, with: second, in: names.map { try store.results(of: $0) })
    }
    try Output.text(MarkdownRenderer().files(of: report)[0].text)
  }
}
