import JSON
import Records
import Testing

@testable import Reports

@Suite("Times of pools")
struct PooledTimeTests {
  private static let streaming = ExampleResults.strategies[1]
  private static let tca = ExampleResults.strategies[3]

  /// The example's perplexity on so many texts, each with a timing group of its own. The last strategy holds no more
  /// bytes than the second, loses less and is slower.
  private func results(texts: Int, repeats: (Int) -> Int) -> ExperimentResults {
    let example = ExampleResults.experiment(contexts: [512])
    var results = example
    results.rows = []
    results.timingGroups = []
    for text in 0..<texts {
      for row in example.rows.prefix(4) {
        var row = row
        row.planned.cell.identity += " \(text)"
        row.planned.fullIdentity += " \(text)"
        row.planned.cell.taskParameters = [
          "samples": 8, "scoredTokens": 256, "corpus": .string("text \(text)"),
        ]
        if row.planned.label == Self.tca {
          for column in [ComparisonColumn.kvCacheResidentBytes, .kvCacheResidentBytesRatio] {
            row.figures[column] = example.rows[1][column]
          }
        }
        results.rows.append(row)
      }
      var stored = example.timingGroups[0]
      stored.id = Int64(text + 1)
      for index in stored.group.samples.indices {
        stored.group.samples[index].identity += " \(text)"
      }
      for index in stored.group.controls.indices {
        stored.group.controls[index].identity += " \(text)"
      }
      stored.group.samples.removeAll { $0.repetition >= repeats(text) }
      results.timingGroups.append(stored)
    }
    return results
  }

  private func pool(texts: Int, repeats: (Int) -> Int) throws -> Pool {
    let analysis = ExperimentAnalysis(results(texts: texts, repeats: repeats))
    return try #require(analysis.pools.first)
  }

  @Test("Few repeats of many texts are no many repeats: a median, no interval, and not timed")
  func fewRepeats() throws {
    func dominators(_ pool: Pool) -> [String]? {
      pool.paretoPoints.first { $0.label == Self.streaming }?.dominators.map(\.text)
    }
    let few = try pool(texts: 5) { _ in 3 }
    let ratio = try #require(few.timeRatio(.decodeAttentionTime, of: Self.streaming, to: "full"))
    #expect(ratio.count == 15 && ratio.interval == nil)
    #expect(abs(ratio.median - 0.25) < 1e-12)
    #expect(dominators(few) == ["\(Self.tca) (time?)"])
    let one = try pool(texts: 5) { $0 == 3 ? 7 : 8 }
    #expect(one.timeRatio(.decodeAttentionTime, of: Self.streaming, to: "full")?.interval == nil)
    #expect(dominators(one) == ["\(Self.tca) (time?)"])
    let all = try pool(texts: 5) { _ in 8 }
    let known = try #require(all.timeRatio(.decodeAttentionTime, of: Self.streaming, to: "full"))
    #expect(known.count == 40 && known.interval != nil)
    // It is faster, and that is known.
    #expect(dominators(all) == [])
  }

  @Test("A text on which two were not timed together leaves their ratio without an interval")
  func missingText() throws {
    var results = results(texts: 3) { _ in 8 }
    results.timingGroups[1].group.samples.removeAll { $0.identity.contains(Self.streaming) }
    let pool = try #require(ExperimentAnalysis(results).pools.first)
    let ratio = try #require(pool.timeRatio(.timeToFirstToken, of: Self.streaming, to: "full"))
    #expect(ratio.count == 16 && ratio.interval == nil)
    #expect(pool.timeRatio(.timeToFirstToken, of: Self.tca, to: "full")?.interval != nil)
  }

  @Test("A strategy that is timed later leaves the ratios of those before it as they were")
  func addedStrategy() throws {
    var results = results(texts: 2) { _ in 8 }
    for text in 0..<2 {
      // Full and the last strategy again, which takes twice as long this time.
      var later = results.timingGroups[text]
      later.id += 10
      later.group.samples.removeAll {
        !$0.identity.contains("-full ") && !$0.identity.contains(Self.tca)
      }
      for index in later.group.samples.indices
      where later.group.samples[index].identity.contains(Self.tca) {
        later.group.samples[index].decodeAttentionTime? *= 2
      }
      results.timingGroups.append(later)
    }
    let pool = try #require(ExperimentAnalysis(results).pools.first)
    func median(_ second: String, _ first: String) throws -> Double {
      let ratio = try #require(pool.timeRatio(.decodeAttentionTime, of: second, to: first))
      #expect(ratio.count == 16 && ratio.interval != nil)
      return ratio.median
    }
    #expect(abs(try median(Self.streaming, "full") - 0.25) < 1e-12)
    // Of the two groups that hold both, the newest.
    #expect(abs(try median(Self.tca, "full") - 0.9) < 1e-12)
    #expect(abs(try median(Self.streaming, Self.tca) - 0.25 / 0.45) < 1e-12)
    let report = try Report(comparing: Self.streaming, with: Self.tca, in: [results])
    let section = report.sections.first { $0.title.hasSuffix("time") }
    let times = try #require(section?.tables.first)
    let ratios = try #require(times.columns.firstIndex { $0.heading == "B / A ↓" })
    #expect(times.rows.count == 8)
    #expect(times.texts.allSatisfy { $0[ratios] != NumberFormat.missing })
  }
}
