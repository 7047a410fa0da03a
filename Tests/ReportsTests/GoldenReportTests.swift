import CustomDump
import Foundation
import Records
import Testing

@testable import Reports

/// Whole texts against `Tests/Golden/reports`. After a wanted change:
/// `TCA_LAB_WRITE_GOLDEN=1 swift test --filter GoldenReportTests`, then read the diff before committing it.
@Suite("Golden reports")
struct GoldenReportTests {
  private func expectGolden(_ text: String, _ name: String) throws {
    let file = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/reports/\(name)")
    if ProcessInfo.processInfo.environment["TCA_LAB_WRITE_GOLDEN"] == "1" {
      try text.write(to: file, atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOf: file, encoding: .utf8)
    // Not `expectNoDifference`: without its support library a failure of it is printed and forgotten.
    #expect(text == golden, "\(diff(golden, text) ?? "")")
  }

  private func markdown(_ report: Report) -> String {
    MarkdownRenderer().files(of: report)[0].text
  }

  @Test("The report of an experiment in Markdown")
  func report() throws {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows[6].failure = StoredFailure(run: 1, reason: "out of memory | at layer 3")
    try expectGolden(markdown(Report(of: results)), "example.md")
  }

  @Test(
    "The figures of three context lengths in SVG",
    arguments: [
      "frontier", "quality-and-next-token-2", "kv-bytes-1", "stages", "head-error", "depths",
      "kept",
    ])
  func figures(name: String) throws {
    let report = Report(of: ExampleResults.experiment(contexts: [512, 1024, 2048]))
    let file = try #require(
      MarkdownRenderer().files(of: report).first { $0.name == "\(name).svg" })
    try expectGolden(file.text, file.name)
  }

  @Test("The figure of several texts and two models in SVG")
  func texts() throws {
    let report = Report(
      of: ExampleResults.twoModels,
      background: ReportBackground(
        models: [
          "b179c9523d0e6a0f": .init(file: "model.Q4_1.gguf", layers: 18, globalLayers: 3)
        ],
        strategies: [
          StrategyDescription(
            name: "snapkv", summary: "Keeps what | the last queries look at.", phases: [.retention],
            parameters: [
              ParameterDescription("threshold", .string, default: "", "of another strategy"),
              ParameterDescription("meanKvBytes", .string, default: "", "what it may hold"),
            ], fidelity: .faithful, source: "arXiv 2404.14469")
        ], formats: ["q4_0": "4 bits a number."]))
    let file = try #require(
      MarkdownRenderer().files(of: report).first { $0.name == "texts.svg" })
    try expectGolden(file.text, file.name)
    try expectGolden(markdown(report), "texts.md")
  }

  @Test("The table of two context lengths for a terminal")
  func terminal() throws {
    let report = Report(of: ExampleResults.experiment())
    try expectGolden(TerminalRenderer().files(of: report)[0].text, "example.txt")
  }

  @Test("The comparison of two strategies in Markdown, and as a terminal shows it")
  func strategies() throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9", in: [ExampleResults.experiment()])
    try expectGolden(markdown(report), "strategies.md")
    let terminal = TerminalRenderer(columns: 80, showsIntervals: true)
    try expectGolden(terminal.files(of: report)[0].text, "strategies.txt")
  }

  @Test("The report of an experiment in LaTeX")
  func latex() throws {
    let report = Report(of: ExampleResults.experiment(contexts: [512]))
    try expectGolden(LaTeXRenderer().files(of: report)[0].text, "example.tex")
  }

  @Test("The leaderboard of two lengths, needles and times in Markdown")
  func leaderboard() throws {
    let methods = LeaderboardExample.methods
    let leaderboard = Leaderboard(
      [
        LeaderboardExample.quality(),
        LeaderboardExample.quality([methods[0], methods[1], methods[4]], context: 8192),
        LeaderboardExample.needles([(methods[0], 8), (methods[1], 8), (methods[4], 2)]),
        LeaderboardExample.needles(
          [(methods[1], 8), (methods[4], 2)], of: Leaderboard.needleNames[1]),
        LeaderboardExample.times([(methods[0], 1), (methods[1], 0.8), (methods[4], 0.4)]),
      ], strategies: LeaderboardExample.described)
    try expectGolden(markdown(leaderboard.report), "leaderboard.md")
  }

  @Test("The notebook of an experiment with every figure")
  func notebook() throws {
    var results = LeaderboardExample.quality()
    results.rows += LeaderboardExample.quality(context: 8192).rows
    let files = ExperimentExport(Report(of: results)).files
    let notebook = try #require(files.first { $0.name == ExperimentExport.notebookName })
    try expectGolden(notebook.text, "notebook.ipynb")
  }

  @Test("The comparison of two runs in Markdown, without ratios of times")
  func runs() throws {
    var later = ExampleResults.experiment(contexts: [512])
    later.runs[0].id = 2
    later.runs[0].provenance.sourceState = "fedcba987654"
    for index in later.rows.indices {
      later.rows[index].planned.cell.identity += " again"
      later.rows[index].planned.fullIdentity += " again"
      later.rows[index].units = later.rows[index].units.map { unit in
        var unit = unit
        unit.negativeLogLikelihood? -= 0.5 + Double(unit.index % 3)
        return unit
      }
    }
    for group in later.timingGroups.indices {
      for sample in later.timingGroups[group].group.samples.indices {
        later.timingGroups[group].group.samples[sample].identity += " again"
      }
    }
    let report = try Report(
      comparingRun: ExampleResults.experiment(contexts: [512]), with: later)
    try expectGolden(markdown(report), "runs.md")
  }

  @Test(
    "Each table in CSV", arguments: ["comparison", "quality_difference", "unit", "timing", "run"])
  func csv(table: String) throws {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows = Array(results.rows.prefix(2)) + [results.rows[7]]
    results.rows[1].failure = StoredFailure(run: 1, reason: "said \"no\", twice\nand stopped")
    let files = CSVRenderer().files(of: Report(of: results))
    let file = try #require(files.first { $0.name == "\(table).csv" })
    try expectGolden(file.text, file.name)
  }
}
