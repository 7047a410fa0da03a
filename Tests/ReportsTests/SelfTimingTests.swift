import Records
import Testing

@testable import Reports

@Suite("Full timed against itself")
struct SelfTimingTests {
  private func results(
    _ change: (inout TimingGroup) -> Void
  ) -> ExperimentResults {
    var results = ExampleResults.experiment(contexts: [512])
    change(&results.timingGroups[0].group)
    return results
  }

  @Test("A second run that is slower in every round is flagged and marks the ratios of its group")
  func unsteady() throws {
    let results = results { group in
      for index in group.controls.indices { group.controls[index].timeToFirstToken *= 1.05 }
    }
    let flags = ExperimentAnalysis(results).flags
    #expect(flags.count == 1)
    #expect(
      flags[0].hasPrefix("full differs from itself in time")
        && flags[0].contains("smollm2-135m at 512, perplexity/prefill, first token 1.0"))
    let table = try #require(ExperimentAnalysis(results).mainSection.tables.first)
    let column = try #require(table.columns.firstIndex { $0.heading == "first token ratio ↓" })
    #expect(
      table.rows.map { $0[column].marks == [.unsteady] } == Array(repeating: true, count: 4)
        + Array(repeating: false, count: 4))
    #expect(Report(of: results).legend.contains { $0.hasPrefix("¶") })
  }

  @Test("Groups without second runs, or with few repeats, are neither flagged nor shown as steady")
  func without() {
    let none = ExperimentAnalysis(results { $0.controls = [] })
    #expect(none.flags.isEmpty && none.rows[0].ratios[.timeToFirstToken] == nil)
    let few = ExperimentAnalysis(
      results { group in group.controls.removeAll { $0.repetition > 5 } })
    #expect(few.flags.isEmpty)
    #expect(few.rows[0].ratios[.timeToFirstToken]?.interval == nil)
  }

  @Test("A crossover needs intervals: with few repeats there is none")
  func crossover() {
    func crossovers(_ repeats: Int) -> [String] {
      var results = ExampleResults.experiment()
      for index in results.timingGroups.indices {
        results.timingGroups[index].group.samples.removeAll { $0.repetition >= repeats }
      }
      return ExperimentAnalysis(results).timeSection.items
    }
    #expect(crossovers(8)[0].hasSuffix("from 2,048 tokens on"))
    #expect(crossovers(7).allSatisfy { $0.hasSuffix("not known, fewer than 8 repeats") })
  }
}
