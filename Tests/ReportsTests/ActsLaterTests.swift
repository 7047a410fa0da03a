import JSON
import Records
import Testing

@testable import Reports

/// Under protocol `prefill` the scored tokens are the prompt's own: what a strategy does after it has no part in its loss.
@Suite("What acts only after the tokens that were scored")
struct ActsLaterTests {
  /// Row 1 of perplexity/prefill and row 5 of the passkeys are streaming-llm's.
  private static let label = "streaming-llm"

  /// Of a strategy that decides what the cache keeps, and no more.
  private let background = ReportBackground(
    strategies: [LeaderboardExample.describe(ActsLaterTests.label, [.retention])])

  private func analysis(
    _ background: ReportBackground = ReportBackground(),
    _ change: (inout ExperimentResults) -> Void = { _ in }
  ) -> ExperimentAnalysis {
    var results = ExampleResults.experiment(contexts: [512])
    change(&results)
    return ExperimentAnalysis(results, background: background)
  }

  private func late(_ analysis: ExperimentAnalysis) -> [String] {
    analysis.rows.filter(\.actsLater).map { "\($0.label) \($0.task)" }
  }

  @Test(
    "It is known by its phases, or where all pairs of the prompt were counted; full attention never is"
  )
  func known() {
    #expect(late(analysis()).isEmpty)
    #expect(late(analysis(background)) == ["streaming-llm perplexity/prefill"])
    let measured = analysis { results in
      for row in [0, 1, 5] { results.rows[row].figures[.nominalDensity] = 1 }
      results.rows[2].figures[.nominalDensity] = 1
      results.rows[2].planned.cell.strategyRole = .reference
    }
    #expect(late(measured) == ["streaming-llm perplexity/prefill"])
    let turnedOff = analysis { results in
      results.rows[3].planned.cell.strategyParameters = ["prefill": false, "threshold": 0.9]
    }
    #expect(late(turnedOff) == ["tca threshold=0.9 perplexity/prefill"])
    let continuation = analysis(background) { results in
      for row in 0..<4 { results.rows[row].planned.cell.taskProtocol = "continuation" }
    }
    #expect(late(continuation).isEmpty)
  }

  @Test("Of a composition every part that acts after the prompt does so")
  func compositions() {
    let composed = ReportBackground(strategies: [
      LeaderboardExample.describe(
        "composed", StrategyPhase.allCases,
        parameters: StrategyPhase.allCases.map {
          ParameterDescription($0.rawValue, .strategy($0), default: .null, "a part")
        })
    ])
    func isLate(_ parameters: JSONValue) -> Bool {
      let found = analysis(composed) { results in
        results.rows[1].planned.cell.strategy = "composed"
        results.rows[1].planned.cell.strategyParameters = parameters
      }
      return !late(found).isEmpty
    }
    #expect(!isLate(["prefill": ["name": "minference"], "retention": .null]))
    #expect(isLate(["retention": ["name": "snapkv"]]))
    #expect(isLate(["prefill": ["name": "minference"], "retention": ["name": "snapkv"]]))
    #expect(isLate(["decode": ["name": "quest"], "cache": "f16"]))
  }

  @Test("It is marked with a footnote, and in no figure, table or answer of loss against bytes")
  func leftOut() throws {
    let results = ExampleResults.experiment(contexts: [512])
    let report = Report(of: results, background: background)
    #expect(report.legend.contains { $0.hasPrefix("‖ The tokens that were scored") })
    let chart = try #require(report.frontier?.chart as? TradeOffChart)
    #expect(
      chart.panels[0].points.map(\.label) == ["full", "tca threshold=0.7", "tca threshold=0.9"])
    let words =
      "Left out, for they act only after the tokens that were scored (protocol prefill): streaming-llm."
    #expect(chart.caption.contains(words))
    let overview = try #require(report.overview)
    #expect(overview.text[0].hasSuffix(words) && overview.tables[0].rows.count == 3)
    let dominated = try #require(report.sections.first { $0.title == "What is dominated" })
    #expect(dominated.text.last == words)
    #expect(
      dominated.tables[0].texts.map { "\($0[2]) \($0[3])" }.filter { $0.contains(Self.label) }
        == ["passkey streaming-llm"])
    #expect(!report.answer.map { $0.statements.joined() }.joined().contains(Self.label))
    // It stands where every cell does, with its mark.
    let main = try #require(report.sections.first { $0.title == "Comparison" })
    #expect(main.tables[0].texts[1][3] == "streaming-llm ‖")
    #expect(
      TerminalRenderer(columns: 1000).files(of: report)[0].text
        .contains("‖ Scored on the prompt, of which it leaves nothing out"))
    // Programs are told, too.
    let comparison = try #require(report.data.first { $0.name == "comparison" })
    let column = try #require(comparison.columns.firstIndex(of: "acts_later"))
    #expect(
      comparison.rows.map { $0[column] }
        == (0..<8).map { DataTable.Value.integer($0 == 1 ? 1 : 0) })
  }

  @Test("It has no contrast and no equal budget")
  func contrasts() {
    let analysis = analysis(background) { results in
      results.experiment.spec = #"{"primary": [["streaming-llm", "tca threshold=0.9"]]}"#
      for row in [1, 2, 5, 6] {
        results.rows[row].planned.cell.strategyParameters = ["budget": ["fraction": 0.4]]
      }
    }
    #expect(analysis.primaryContrasts.map(\.pool.key.task) == ["passkey"])
    let groups = analysis.budgetGroups.values.joined().map { $0.rows.map(\.task) }
    #expect(groups == [["passkey", "passkey"]])
  }

  @Test("Where nothing else stands beside full the answer says why there is none")
  func nothing() {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows = Array(results.rows.prefix(2))
    results.timingGroups = []
    let report = Report(of: results, background: background)
    #expect(
      report.answer.map(\.statements) == [
        [
          "There is nothing to compare: quality was measured on prompts (protocol prefill), and what stands beside full acts "
            + "only after them."
        ]
      ])
    #expect(report.frontier == nil && report.overview == nil)
  }

  @Test("A comparison says why it gives no verdict, and no condition is judged by it")
  func compared() throws {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows = Array(results.rows.prefix(4))
    let comparison = try PairComparison(
      of: Self.label, with: "tca threshold=0.9", in: [results], background: background)
    let report = comparison.report
    #expect(
      report.sections[0].items == [
        "smollm2-135m at 512 tokens, perplexity/prefill: no verdict: the tokens that were scored are the prompt's own, and "
          + "\"streaming-llm\" acts only after it, so what is lost here says nothing of the bytes held; compare the "
          + "continuation protocol."
      ])
    #expect(report.sections[0].text.isEmpty)
    let quality = try #require(report.sections[1].tables.first)
    #expect(quality.rows[0][2].marks == [.looksAhead, .actsLater])
    #expect(quality.texts[0].last == "not known")
    #expect(report.legend.contains { $0.hasPrefix("‖") })
    for condition in ["worse", "difference>-9", "bytes>0"] {
      #expect(
        comparison.failures(of: try PairCondition(parsing: condition))
          == ["cannot be judged: nothing that it looks at was compared"])
    }
    // Two runs of one strategy are held against each other all the same.
    var later = results
    later.runs[0].id = 2
    for index in later.rows.indices {
      later.rows[index].planned.cell.identity += " again"
      later.rows[index].planned.fullIdentity += " again"
      later.rows[index].figures[.nominalDensity] = 1
    }
    let runs = try Report(comparingRun: results, with: later)
    #expect(runs.sections[0].items.count == 4)
    #expect(!runs.sections[0].items.contains { $0.contains("no verdict") })
  }
}
