import ArgumentParser
import Records
import Reports
import ResultStore

struct CompareCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Says which of two strategies or runs is better, and how sure that is.",
    discussion: """
      Example: tca-lab compare snapkv tca-plus --experiment leaderboard
      Example: tca-lab compare 'full cache=q4_0' 'tca-plus meanKvBytes=0.25'

      Two numbers are runs; in a script the exit code answers.
      Example: tca-lab compare 1 2 --fail-if worse --fail-if 'difference>0.01'
      """)

  @Argument(
    help: "A: a strategy as reports label it, or a run's number.", completion: .storedStrategies)
  var first: String
  @Argument(help: "B: what is compared with it.", completion: .storedStrategies)
  var second: String
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: ArgumentHelp(
      "An experiment to stay in (default: all that have both strategies).", valueName: "name"),
    completion: .experiments)
  var experiment: String?
  @Option(
    name: .customLong("fail-if"), parsing: .singleValue,
    help: ArgumentHelp(
      "Exit with code 1 where B is so, or where that cannot be judged: \(PairCondition.forms). Differences are B minus A in nats a token, low and high the ends of the interval, bytes B's over A's. May be given several times.",
      valueName: "condition"))
  var failIf: [String] = []

  private var conditions: [PairCondition] {
    get throws {
      try failIf.map { text in
        do {
          return try PairCondition(parsing: text)
        } catch {
          throw ValidationError("--fail-if: \(error)")
        }
      }
    }
  }

  func validate() throws { _ = try conditions }

  func run() throws {
    let comparison = try comparison()
    let renderer = TerminalRenderer(
      columns: Output.terminal.width(upTo: 80), showsIntervals: true,
      emphasised: { Output.terminal.styled($0, .bold) })
    try Output.rendered(renderer.files(of: comparison.report)[0].text)
    let failures = try conditions.flatMap { condition in
      comparison.failures(of: condition).map { "--fail-if '\(condition)' \($0)" }
    }
    if !failures.isEmpty {
      throw Failure(.someCellFailed, failures.joined(separator: "\ntca-lab: "))
    }
  }

  private func comparison() throws -> PairComparison {
    let store = try ResultStore(path: database.path, access: .reading)
    if let first = Int64(first), let second = Int64(second) {
      guard experiment == nil else {
        throw Failure(
          .usage, "--experiment is for two strategies; runs \(first) and \(second) name their own")
      }
      return try PairComparison(
        ofRun: store.results(ofRun: first), with: store.results(ofRun: second))
    }
    let names: [String]
    if let experiment {
      names = [experiment]
    } else {
      let both = try store.experimentNames(having: [first, second])
      // Where nowhere has both, what there is helps to say so.
      names = both.isEmpty ? try store.experimentNames() : both
    }
    let results = try names.map { try store.results(of: $0) }
    let background = try ReportBackground.builtIn()
    do {
      return try PairComparison(of: first, with: second, in: results, background: background)
    } catch {
      let known = try store.strategyNames(in: experiment)
      throw Self.suggesting(known, for: [first, second], in: error)
    }
  }

  /// With the known name that is nearest to each of those that are not known.
  private static func suggesting(
    _ known: [String], for names: [String], in error: ReportError
  ) -> ReportError {
    var error = error
    for name in names where !known.contains(name) {
      guard let near = NearestWord.to(name, among: known) else { continue }
      error.advice += " Did you mean \"\(near)\" by \"\(name)\"?"
    }
    return error
  }
}
