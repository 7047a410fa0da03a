import JSON
import Testing

@testable import Reports

@Suite("Tables at equal budgets")
struct EqualBudgetTests {
  /// The rows of one length and task: full, streaming-llm, tca 0.7, tca 0.9, with these budgets.
  private func sections(_ budgets: [Int: JSONValue], matched: [Int: Int] = [:]) -> [ReportSection] {
    var results = ExampleResults.experiment(contexts: [512])
    for (row, budget) in budgets {
      results.rows[row].planned.cell.strategyParameters = budget
      results.rows[row].planned.matchedIdentity =
        matched[row].map { results.rows[$0].planned.cell.identity }
    }
    return ExperimentAnalysis(results).equalBudgetSections.filter { !$0.isEmpty }
  }

  private func column(_ heading: String, of section: ReportSection) throws -> [String] {
    let table = try #require(section.tables.first)
    let index = try #require(table.columns.firstIndex { $0.heading == heading })
    return table.texts.map { $0[index] }
  }

  @Test("Without budgets, and with one cell of a budget, there is no table")
  func nothing() {
    #expect(sections([:]).isEmpty)
    #expect(sections([1: ["budget": ["fraction": 0.4]]]).isEmpty)
    #expect(sections([1: ["budget": ["mass": 0.9]], 2: ["budget": ["mass": 0.9]]]).isEmpty)
  }

  @Test(
    "A matched cell stands beside its reference, the better first, with both paired differences")
  func matching() throws {
    let found = sections([1: ["budget": ["matching": "tca", "of": "kvBytes"]]], matched: [1: 3])
    #expect(found.map(\.title) == ["At equal KV bytes"])
    #expect(try column("strategy", of: found[0]) == ["tca threshold=0.9 †", "streaming-llm"])
    #expect(
      try column("budget", of: found[0]) == Array(repeating: "as tca threshold=0.9", count: 2))
    #expect(try column("tokens kept ↓", of: found[0]) == ["0.450", "0.250"])
    let toReference = try column("to the reference", of: found[0])
    #expect(toReference[0] == "reference")
    // Of the units' losses 0.05 and 0.01.
    #expect(toReference[1].hasPrefix("+0.03"))
    #expect(toReference[1].contains("["))
  }

  @Test("Equal sizes make a group, other sizes another; density has its own table")
  func sizes() throws {
    let found = sections([
      1: ["budget": ["fraction": 0.4]], 2: ["budget": ["fraction": 0.4]],
      3: ["budget": ["fraction": 0.2]],
      5: ["budget": ["density": 0.3]], 6: ["budget": ["density": 0.3]],
    ])
    #expect(found.map(\.title) == ["At equal KV bytes", "At equal density"])
    #expect(try column("strategy", of: found[0]) == ["tca threshold=0.7 †", "streaming-llm"])
    #expect(try column("budget", of: found[0]).allSatisfy { $0 == "fraction 0.4" })
    // Scores: the higher first.
    #expect(try column("strategy", of: found[1]) == ["tca threshold=0.7", "streaming-llm"])
  }

  @Test(
    "A method is flagged where it loses more than random at the same budget beyond the interval")
  func worseThanRandom() {
    /// Row 2 becomes random; row 1 loses `more` than it in every unit, in half of them less.
    func flags(_ more: Double, other: Double, budget: JSONValue) -> [String] {
      var results = ExampleResults.experiment(contexts: [512])
      results.rows[1].planned.cell.strategyParameters = ["budget": budget]
      results.rows[2].planned.cell.strategyParameters = ["budget": ["fraction": 0.4]]
      results.rows[2].planned.cell.strategy = "random"
      results.rows[2].planned.cell.strategyRole = .control
      for unit in results.rows[1].units.indices {
        results.rows[1].units[unit].negativeLogLikelihood =
          results.rows[2].units[unit].negativeLogLikelihood.map {
            $0 + (unit % 2 == 0 ? more : other)
          }
      }
      return ExperimentAnalysis(results).flags.filter { $0.hasPrefix("worse than random") }
    }
    let worse = flags(1, other: 0.5, budget: ["fraction": 0.4])
    #expect(worse.count == 1 && worse[0].contains("streaming-llm, smollm2-135m at 512"))
    #expect(flags(1, other: -1, budget: ["fraction": 0.4]).isEmpty)
    #expect(flags(-1, other: -0.5, budget: ["fraction": 0.4]).isEmpty)
    #expect(flags(1, other: 0.5, budget: ["fraction": 0.2]).isEmpty)
  }

  @Test("What was not measured comes last")
  func unmeasured() throws {
    var results = ExampleResults.experiment(contexts: [512])
    for row in 1...2 {
      results.rows[row].planned.cell.strategyParameters = ["budget": ["fraction": 0.4]]
    }
    results.rows[1].units = []
    let section = try #require(
      ExperimentAnalysis(results).equalBudgetSections.first { !$0.isEmpty })
    #expect(try column("strategy", of: section) == ["tca threshold=0.7 †", "streaming-llm"])
    results.rows[1].units = results.rows[2].units
    results.rows[2].units = []
    let other = try #require(
      ExperimentAnalysis(results).equalBudgetSections.first { !$0.isEmpty })
    #expect(try column("strategy", of: other) == ["streaming-llm", "tca threshold=0.7 †"])
  }

  @Test("The parts of a composition count, each in the table of its budget")
  func parts() throws {
    let composed: JSONValue = [
      "prefill": ["name": "minference", "budget": ["matching": "tca", "of": "density"]],
      "retention": ["name": "snapkv", "budget": ["matching": "tca", "of": "kvBytes"]],
    ]
    let found = sections([1: composed], matched: [1: 2])
    #expect(found.map(\.title) == ["At equal KV bytes", "At equal density"])
    for section in found {
      #expect(try column("strategy", of: section) == ["tca threshold=0.7 †", "streaming-llm"])
    }
  }
}
