import Records
import Testing

@testable import Reports

@Suite("All tasks of a kind together")
struct PooledSectionTests {
  /// Perplexity on two texts, of 8 segments and of 4, the second text harder for streaming-llm.
  private func results() -> ExperimentResults {
    var results = ExampleResults.experiment(contexts: [512])
    var second = Array(results.rows.prefix(4))
    for index in second.indices {
      second[index].planned.cell.identity += " second"
      second[index].planned.fullIdentity += " second"
      second[index].planned.cell.taskParameters = [
        "samples": 8, "scoredTokens": 256, "corpus": "corpora/second.txt",
      ]
      second[index].units.removeLast(4)
      for unit in second[index].units.indices where index == 1 {
        second[index].units[unit].negativeLogLikelihood? += 64
      }
    }
    results.rows =
      results.rows.prefix(4).map { row in
        var row = row
        row.planned.cell.taskParameters = ["samples": 8, "scoredTokens": 256, "corpus": "first"]
        return row
      } + second
    return results
  }

  private func table(_ results: ExperimentResults) throws -> ReportTable {
    try #require(ExperimentAnalysis(results).pooledSection.tables.first)
  }

  @Test("Texts weigh the same however many windows they have; fewer than four have no interval")
  func weights() throws {
    let table = try table(results())
    #expect(
      table.texts.map { $0[3] } == ["streaming-llm", "tca threshold=0.7 †", "tca threshold=0.9 †"])
    #expect(table.texts.allSatisfy { $0[2] == "perplexity/prefill, 2 together" })
    func mean(_ index: Int) -> Double {
      let rows = results().rows
      let texts = [(0, index), (4, 4 + index)].map { full, own in
        zip(rows[full].units, rows[own].units).map {
          ($1.negativeLogLikelihood! - $0.negativeLogLikelihood!) / Double($1.tokens)
        }.mean!
      }
      return texts.mean!
    }
    let column = try #require(table.columns.firstIndex { $0.heading == "to full" })
    for (place, row) in table.texts.enumerated() {
      #expect(row[column] == NumberFormat.signed(4).text(mean(place + 1)))
      #expect(row[column + 1] == "2 texts")
    }
  }

  @Test("Each text stands beside the pool, and the worst is named")
  func texts() throws {
    let tables = ExperimentAnalysis(results()).pooledSection.tables
    try #require(tables.count == 2)
    #expect(
      tables[1].columns.map(\.heading) == [
        "model", "context", "strategy", "first", "second", "worst",
      ])
    let streaming = tables[1].texts[0]
    // The first text has eight windows and an interval, the second four.
    #expect(streaming[3].contains("[") && !streaming[4].contains("["))
    #expect(streaming[4].hasPrefix("+1.0"))
    #expect(streaming[5] == "second \(streaming[4])")
    let summary = TerminalRenderer().files(of: Report(of: results()))[0].text
    #expect(summary.contains("second +1.0"))
  }

  @Test("One task of a kind is no pool; a strategy that lacks a cell is left out")
  func incomplete() throws {
    #expect(ExperimentAnalysis(ExampleResults.experiment(contexts: [512])).pooledSection.isEmpty)
    var results = results()
    results.rows.remove(at: 5)
    #expect(try table(results).rows.count == 2)
  }

  @Test("A task at which full attention is at chance is no part of a pool")
  func atChance() throws {
    var results = ExampleResults.experiment(contexts: [512])
    let passkeys = results.rows[4...7]
    for number in 1...2 {
      for row in passkeys {
        var row = row
        row.planned.cell.identity += " \(number)"
        row.planned.fullIdentity += " \(number)"
        row.planned.cell.taskParameters = ["corpus": .integer(number)]
        // The last corpus: nobody finds anything.
        if number == 2 {
          for unit in row.units.indices { row.units[unit].score = 0 }
        }
        results.rows.append(row)
      }
    }
    let table = try table(results)
    #expect(!table.rows.isEmpty)
    #expect(table.texts.allSatisfy { $0[2] == "passkey, 2 together" })
  }

  @Test("The only reference is what every strategy is held to over all tasks")
  func reference() throws {
    var results = results()
    for (row, reference) in [(1, 3), (5, 7)] {
      results.rows[row].planned.matchedIdentity = results.rows[reference].planned.cell.identity
    }
    let table = try table(results)
    let column = try #require(table.columns.firstIndex { $0.heading == "to the reference" })
    #expect(table.texts.prefix(2).allSatisfy { $0[column - 1] == "tca threshold=0.9" })
    #expect(table.texts[0][column].hasPrefix("+0.5"))
    #expect(table.texts[1][column].hasPrefix("+0.0"))
    #expect(table.texts[2][column] == NumberFormat.missing)
  }

  @Test("With two references a strategy that matches neither is held to none")
  func twoReferences() throws {
    var results = results()
    for (row, reference) in [(1, 3), (5, 7), (2, 0), (6, 4)] {
      results.rows[row].planned.matchedIdentity = results.rows[reference].planned.cell.identity
    }
    let table = try table(results)
    let column = try #require(table.columns.firstIndex { $0.heading == "to the reference" })
    #expect(table.texts[0][column - 1] == "tca threshold=0.9")
    #expect(table.texts[1][column - 1] == "full")
    #expect(table.texts[2][column] == NumberFormat.missing)
  }
}
