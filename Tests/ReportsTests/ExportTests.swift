import JSON
import Records
import Testing

@testable import Reports

@Suite("Exported data and notebooks")
struct ExportTests {
  private func files(_ results: ExperimentResults) -> [String: String] {
    Dictionary(
      ExperimentExport(Report(of: results)).files.map { ($0.name, $0.text) },
      uniquingKeysWith: { first, _ in first })
  }

  private func cells(_ results: ExperimentResults) throws -> [JSONValue] {
    let text = try #require(files(results)[ExperimentExport.notebookName])
    return try #require(try JSONValue(parsing: text)["cells"]?.arrayValue)
  }

  private func ids(_ results: ExperimentResults) throws -> [String] {
    try cells(results).compactMap { $0["id"]?.stringValue }
  }

  private func source(_ cell: JSONValue) -> String {
    (cell["source"]?.arrayValue ?? []).compactMap(\.stringValue).joined()
  }

  /// Every table that there can be.
  private func everything() -> ExperimentResults {
    var results = LeaderboardExample.quality()
    results.experiment.spec =
      #"{"primary": [["snapkv meanKvBytes=0.25", "h2o meanKvBytes=0.25"]]}"#
    let example = ExampleResults.experiment(contexts: [512])
    results.rows += example.rows
    results.timingGroups = example.timingGroups
    return results
  }

  @Test("Every column of every table has a meaning, and every table a sentence")
  func dictionary() throws {
    let data = Report(of: everything()).data
    #expect(
      Set(data.map(\.name)) == Set(ColumnMeaning.tables.keys), "a table is missing here, or gone")
    for table in data {
      for column in table.columns {
        let meaning = ColumnMeaning.of(column, in: table.name)
        #expect(meaning?.text.isEmpty == false, "\(table.name).\(column)")
      }
    }
    let json = try JSONValue(parsing: try #require(files(everything())["dictionary.json"]))
    let tables = try #require(json["tables"]?.arrayValue)
    #expect(tables.compactMap { $0["name"]?.stringValue } == data.map(\.name))
    #expect(tables[0]["columns"]?[2]?["unit"] == "tokens")
    #expect(tables[0]["rows"] == .integer(data[0].rows.count))
  }

  @Test(
    "Figures of the comparison are described by their metric",
    arguments: [
      (ComparisonColumn.worstDroppedMass, "largest value of a single query"),
      (.propagatedDecodeOutputCosine, "of the decode steps"), (.perplexityRatio, "perplexity over"),
      (.logitKLP95, "95 % quantile"), (.decodeAttentionTime, "attention per decode token"),
    ])
  func meanings(column: ComparisonColumn, words: String) {
    #expect(column.meaning.contains(words), "\(column.meaning)")
    #expect(!ComparisonColumn.decodeAttentionTime.meaning.contains("of the decode steps"))
  }

  @Test(
    "Files are the report's tables, a dictionary, a page and a notebook; equal results, equal bytes"
  )
  func filesOfAnExport() {
    let results = ExampleResults.experiment(contexts: [512])
    let files = files(results)
    let tables = CSVRenderer().files(of: Report(of: results))
    for table in tables { #expect(files[table.name] == table.text) }
    #expect(
      Set(files.keys)
        == Set(tables.map(\.name) + ["README.md", "dictionary.json", "notebook.ipynb"]))
    #expect(files == self.files(results))
    #expect(files["README.md"]?.contains("| context_length ") == true)
  }

  @Test("The notebook is of format 4.5: each cell has an identity of its own, none has been run")
  func format() throws {
    let text = try #require(files(everything())[ExperimentExport.notebookName])
    let notebook = try JSONValue(parsing: text)
    #expect(notebook["nbformat"] == 4 && notebook["nbformat_minor"] == 5)
    let cells = try cells(everything())
    let ids = try ids(everything())
    #expect(ids.count == cells.count && Set(ids).count == ids.count)
    #expect(ids.allSatisfy { $0.wholeMatch(of: /[A-Za-z0-9_-]{1,64}/) != nil })
    for cell in cells {
      let isCode = cell["cell_type"] == "code"
      #expect(cell["outputs"] == (isCode ? [] : nil))
      #expect(cell["execution_count"] == (isCode ? .null : nil))
      #expect(cell["metadata"] == [:])
      let lines = (cell["source"]?.arrayValue ?? []).compactMap(\.stringValue)
      #expect(!lines.isEmpty && lines.dropLast().allSatisfy { $0.hasSuffix("\n") })
    }
  }

  @Test("It draws what the experiment has, and nothing else")
  func contents() throws {
    let all = ["title", "tables", "looks", "quality", "differences"]
    #expect(
      try ids(LeaderboardExample.quality()).filter { !$0.hasSuffix("-question") }
        == all + ["pools", "frontier", "texts", "numbers"])
    #expect(
      try ids(ExampleResults.experiment()).filter { !$0.hasSuffix("-question") }
        == all + ["frontier", "texts", "growth", "numbers"])
    var bare = ExampleResults.experiment(contexts: [512])
    for index in bare.rows.indices {
      bare.rows[index].units = []
      bare.rows[index].figures = [:]
    }
    #expect(try ids(bare) == ["title", "tables", "looks", "numbers-question", "numbers"])
    // What stands first asks for no table that is not there.
    #expect(!source(try cells(bare)[1]).contains("cluster"))
  }

  @Test("No text of an experiment becomes code; in prose it is text")
  func hostile() throws {
    let name = "\"\"\"\nimport os # <script>alert(1)</script> ]]> $\\frac \u{202E}😀"
    var results = LeaderboardExample.quality()
    results.experiment.name = name
    results.experiment.question = name
    for index in results.rows.indices where index % 6 > 2 {
      results.rows[index].planned.label = name + "\(index % 6)"
      results.rows[index].planned.cell.strategy = name
    }
    let harmless = try cells(LeaderboardExample.quality())
    let cells = try cells(results)
    #expect(cells.count == harmless.count)
    for (cell, other) in zip(cells, harmless) where cell["cell_type"] == "code" {
      #expect(cell == other)
    }
    #expect(source(cells[0]).hasPrefix(#"# """ import os # \<script>alert(1)\</script>"#))
    #expect(!source(cells[0]).contains("<script>\n"))
  }

  @Test("A pool names the labels of its texts, in order")
  func pooledLabels() throws {
    let table = try #require(
      Report(of: LeaderboardExample.quality()).data.first { $0.name == "pooled_difference" })
    let place = try #require(table.columns.firstIndex(of: "task_labels"))
    guard case .text(let text) = table.rows[0][place] else {
      Issue.record("no text")
      return
    }
    let labels = try #require(try JSONValue(parsing: text).arrayValue)
    #expect(labels.count == 5)
    #expect(labels[1] == "perplexity/continuation corpus=corpora/kjv.txt")
  }
}
