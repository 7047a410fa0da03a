import JSON
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
        row.planned.cell.taskParameters = [
          "samples": 8, "scoredTokens": 256, "corpus": .integer(number),
        ]
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

  /// Passkeys with these parameters in place of the two texts.
  private func passkeys(_ parameters: [[String: JSONValue]]) -> ExperimentResults {
    var results = ExampleResults.experiment(contexts: [512])
    let passkeys = Array(results.rows[4...7])
    results.rows = parameters.enumerated().flatMap { number, parameters in
      passkeys.map { row in
        var row = row
        row.planned.cell.identity += " \(number)"
        row.planned.fullIdentity += " \(number)"
        row.planned.cell.taskParameters = .object(parameters)
        row.planned.cell.queryAware = parameters["queryAware"]?.booleanValue ?? true
        return row
      }
    }
    return results
  }

  private func names(_ parameters: [[String: JSONValue]]) -> [String] {
    ExperimentAnalysis(passkeys(parameters)).pools.flatMap(\.names)
  }

  @Test(
    "Tasks are told apart by the parameters in which they differ, by name where values alone say nothing"
  )
  func taskNames() {
    #expect(
      names([
        ["folder": "a", "samples": 50, "task": 1], ["folder": "b", "samples": 50, "task": 1],
        ["folder": "b", "samples": 50, "task": 2],
      ]) == ["folder=a task=1", "folder=b task=1", "folder=b task=2"])
    #expect(
      names([["task": 0, "corpus": "a"], ["task": 1, "corpus": "a"]]) == ["task=0", "task=1"])
    #expect(
      names([["depth": 0, "corpus": "corpora/a.txt"], ["depth": 0, "corpus": "b"]]) == ["a", "b"])
    #expect(
      names([
        ["task": 0, "corpus": "x/a.txt"], ["task": 1, "corpus": "x/a.txt"],
        ["task": 1, "corpus": "b c"],
      ])
        == ["corpus=a task=0", "corpus=a task=1", "corpus=b c task=1"])
    #expect(names([["dataset": [0, 0.5]], [:]]) == ["dataset=[0,0.5]", "dataset=null"])
  }

  @Test("Two pools of a kind have a column each, with what tells them apart and their own figures")
  func kinds() throws {
    var results = passkeys([
      ["task": 0, "queryAware": false], ["task": 1, "queryAware": false],
      ["task": 0, "queryAware": true], ["task": 1, "queryAware": true],
    ])
    // Who sees the question finds all.
    for row in 8..<16 {
      for unit in results.rows[row].units.indices { results.rows[row].units[unit].score = 1 }
    }
    let table = try #require(ExperimentAnalysis(results).summarySection.tables.first)
    let headings = table.columns.map(\.heading)
    let places = try ["passkey queryAware=false\nscore ↑", "passkey queryAware=true\nscore ↑"].map {
      try #require(headings.firstIndex(of: $0), "\(headings)")
    }
    let streaming = try #require(table.texts.first { $0.contains("streaming-llm") })
    #expect(streaming[places[0]] != "1.00" && streaming[places[1]] == "1.00")
    #expect(streaming[places[0] + 1].hasPrefix("task=0 "))
    let long = Report(of: results)
    for (renderer, name) in [
      (MarkdownRenderer() as any ReportRenderer, "task=1"), (LaTeXRenderer(), "task=1"),
      (TerminalRenderer(columns: 80), "task=0"), (HTMLRenderer(), "task=1"),
    ] {
      let text = renderer.files(of: long)[0].text
      #expect(text.contains(name) && !text.contains("false 1"), "\(renderer.name)")
    }
  }
}
