import ArgumentParser
import Attention
import Reports
import StrategyChecker

struct StrategiesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "strategies", abstract: "Lists and describes the strategies, and checks them.",
    discussion: "Example: tca-lab strategies show tca",
    subcommands: [List.self, Show.self, Check.self], defaultSubcommand: List.self)

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Lists the strategies.", discussion: "Example: tca-lab strategies list --json")
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let descriptions = StrategyRegistry.builtIn.descriptions
      if json {
        try Output.prettyJSON(.array(descriptions.map(StrategyListing.json)))
        return
      }
      let rows = descriptions.map { strategy in
        [
          strategy.name,
          strategy.phases.isEmpty
            ? "–" : strategy.phases.map(\.rawValue).joined(separator: ", "),
          strategy.fidelity.rawValue, strategy.summary,
        ]
      }
      try Output.text(
        TextTable(header: ["name", "acts in", "fidelity", "what"], rows: rows).text)
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Describes one strategy: parameters, defaults, budgets, paper.",
      discussion: "Example: tca-lab strategies show tca")
    @Argument(help: "A strategy's name.", completion: .strategies) var name: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
      let description = try StrategyListing.entry(named: name).description
      if json {
        try Output.prettyJSON(StrategyListing.json(description))
      } else {
        try Output.text(StrategyListing.text(description))
      }
    }
  }

  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Runs the invariants that every strategy must keep.",
      discussion: """
        Under an invariant that fails stands what happened, what to change, and the first failing \
        case, as docs/measurement.md explains.

        Example: tca-lab strategies check tca
        """)
    @Argument(help: "A strategy's name; all without one.", completion: .strategies) var name:
      String?
    @Flag(help: "Write each case to stderr before it runs: the last is where a strategy trapped.")
    var cases = false

    func run() throws {
      let entries =
        try name.map { [try StrategyListing.entry(named: $0)] } ?? StrategyRegistry.builtIn.entries
      var failed = 0
      for entry in entries {
        var checker = try StrategyChecker(entry)
        if cases { checker.willRun = { Log.line("\($0)") } }
        let report = checker.run()
        try Output.text(report.description)
        if !report.passes { failed += 1 }
      }
      guard failed == 0 else {
        throw Failure(
          .someCellFailed,
          "\(failed == 1 ? "1 strategy breaks" : "\(failed) strategies break") an invariant")
      }
    }
  }
}
