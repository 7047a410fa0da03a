import Records
import Testing

@testable import Reports

@Suite("What is dominated")
struct ParetoTests {
  /// By label: who dominates it, at 512 tokens in perplexity.
  private func dominated(
    _ change: (inout ExperimentResults) -> Void = { _ in }
  ) -> [String: [String]] {
    var results = ExampleResults.experiment(contexts: [512])
    change(&results)
    let pool = ExperimentAnalysis(results).pools[0]
    return Dictionary(
      uniqueKeysWithValues: pool.paretoPoints.map { ($0.label, $0.dominators.map(\.text)) })
  }

  /// Row 3 (tca threshold=0.9, better) gets the bytes of row 1 (streaming-llm, faster).
  private func withFewBytes(_ results: inout ExperimentResults) {
    for column in [ComparisonColumn.kvCacheResidentBytes, .kvCacheResidentBytesRatio] {
      results.rows[3].figures[column] = results.rows[1][column]
    }
  }

  private func slow(_ results: inout ExperimentResults, _ row: Int, by factor: Double) {
    let identity = results.rows[row].planned.cell.identity
    for index in results.timingGroups[0].group.samples.indices
    where results.timingGroups[0].group.samples[index].identity == identity {
      results.timingGroups[0].group.samples[index].decodeAttentionTime? *= factor
    }
  }

  @Test("Of those that hold their ground, what loses least for its bytes gets a colour first")
  func colours() throws {
    var results = ExampleResults.experiment(contexts: [512])
    withFewBytes(&results)
    let analysis = ExperimentAnalysis(results)
    let points = analysis.pools[0].paretoPoints
    #expect(points.count == 4 && points.allSatisfy { $0.dominators.isEmpty })
    let least = points.filter { $0.isLeast && !$0.isFull }
    #expect(least.map(\.label) == ["tca threshold=0.9"])
    // After full, and before what stands above it in the plan.
    let styles = StrategyStyles(analysis.rows, points)
    #expect(styles.style(of: try #require(least.first).row).colour == 1)
  }

  @Test("Where less memory is worse quality nobody is dominated")
  func front() {
    let found = dominated()
    #expect(found.count == 4 && found.values.joined().isEmpty)
  }

  @Test("Better at no more bytes does not dominate what is faster, but what is as fast or slower")
  func time() {
    let faster = dominated { withFewBytes(&$0) }
    #expect(faster.values.joined().isEmpty)
    let slower = dominated {
      withFewBytes(&$0)
      slow(&$0, 1, by: 4)
    }
    #expect(slower["streaming-llm"] == ["tca threshold=0.9"])
    // As fast: the interval of the ratio holds 1.
    let equal = dominated {
      withFewBytes(&$0)
      slow(&$0, 1, by: 0.45 / 0.25)
    }
    #expect(equal["streaming-llm"] == ["tca threshold=0.9"])
  }

  @Test("With fewer than eight repeats time stays open")
  func untimed() {
    let few = dominated {
      withFewBytes(&$0)
      $0.timingGroups[0].group.samples.removeAll { $0.repetition == 7 }
    }
    #expect(few["streaming-llm"] == ["tca threshold=0.9 (time?)"])
  }

  @Test("A difference whose interval holds 0 dominates nothing, and an oracle neither")
  func undecided() {
    let undecided = dominated {
      withFewBytes(&$0)
      slow(&$0, 1, by: 4)
      for unit in $0.rows[1].units.indices {
        $0.rows[1].units[unit].negativeLogLikelihood =
          $0.rows[3].units[unit].negativeLogLikelihood.map { $0 + (unit % 2 == 0 ? 2 : -1.5) }
      }
    }
    #expect(undecided["streaming-llm"] == [])
    let oracle = dominated {
      withFewBytes(&$0)
      slow(&$0, 1, by: 4)
      $0.rows[3].planned.cell.strategyRole = .oracle
    }
    #expect(oracle["streaming-llm"] == [])
  }

  @Test("Layers with a window of their own, which no method acts on, dominate nothing")
  func windows() throws {
    let share = ComparisonColumn.globalMeanKVCacheLogicalBytesRatio
    let found = dominated { results in
      withFewBytes(&results)
      slow(&results, 1, by: 4)
      // Allocated in all it takes no more, but more where methods act.
      for index in results.rows.indices { results.rows[index].figures[share] = 0.5 }
      results.rows[3].figures[share] = 0.6
    }
    #expect(found["streaming-llm"]?.contains("tca threshold=0.9") == false)
  }

  @Test("Where one lacks the share that budgets match, what is allocated is compared for all")
  func mixedBytes() {
    let found = dominated { results in
      withFewBytes(&results)
      slow(&results, 1, by: 4)
      for row in [0, 1] { results.rows[row].figures[.globalMeanKVCacheLogicalBytesRatio] = 0.5 }
    }
    #expect(found["streaming-llm"] == ["tca threshold=0.9"])
  }
}
