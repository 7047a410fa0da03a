import Foundation
import Records
import Testing

@testable import Reports

@Suite("A report on a terminal")
struct TerminalRendererTests {
  /// Lines of the summary's table, the notes below it left out.
  private func table(_ columns: Int, _ results: ExperimentResults) -> [String] {
    let text = TerminalRenderer(columns: columns).files(of: Report(of: results))[0].text
    return text.split(separator: "\n").map(String.init).prefix { !$0.hasPrefix("Of perplexity") }
      .filter { !$0.isEmpty }
  }

  @Test("The example's summary fits 100 columns as it is")
  func narrow() {
    let lines = table(100, ExampleResults.experiment())
    #expect(lines.allSatisfy { $0.count <= 100 })
    #expect(lines.count { $0.hasPrefix("tca threshold=0.9 ") } == 2)
  }

  @Test(
    "A table that is too wide goes on below, each part with the names of its rows",
    arguments: 40...99)
  func parts(columns: Int) {
    let results = ExampleResults.experiment(contexts: [512])
    let whole = table(1_000, results)
    let lines = table(columns, results)
    #expect(lines.allSatisfy { $0.count <= columns }, "\(lines)")
    // Every figure is there, in its order.
    for label in ["full", "streaming-llm", "tca threshold=0.7", "tca threshold=0.9"] {
      func figures(_ lines: [String]) -> [Substring] {
        lines.filter { $0.hasPrefix(label + " ") }.flatMap {
          $0.dropFirst(label.count).split(separator: " ")
        }
      }
      #expect(figures(lines) == figures(whole) && !figures(whole).isEmpty)
    }
  }

  @Test("So does a table whose rows have their names above them", arguments: [45, 60])
  func pairs(columns: Int) throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9",
      in: [ExampleResults.experiment(contexts: [512])])
    let text = TerminalRenderer(columns: columns, showsIntervals: true).files(of: report)[0].text
    for line in text.split(separator: "\n") { #expect(line.count <= columns, "\(line)") }
    for figure in ["2.6266", "-0.0363 [-0.0480, -0.0245]", "8 windows", "0 / 8 / 0", "decided"] {
      #expect(text.contains(figure), "\(text)")
    }
  }

  @Test("A ratio of times without an interval says so, one with an interval does not")
  func fewRepeats() {
    var results = ExampleResults.experiment(contexts: [512])
    let steady = TerminalRenderer().files(of: Report(of: results))[0].text
    #expect(steady.contains("1.11 ±0.01") && !steady.contains("?  "))
    for place in results.timingGroups.indices {
      results.timingGroups[place].group.samples.removeAll { $0.repetition > 0 }
      results.timingGroups[place].group.controls.removeAll { $0.repetition > 0 }
    }
    let once = TerminalRenderer().files(of: Report(of: results))[0].text
    #expect(!once.contains("±0.01  0.90"))
    for line in once.split(separator: "\n") where line.hasPrefix("tca threshold=0.7") {
      #expect(line.contains(#/\d\.\d\d\?\s+\d\.\d\d\?/#), "\(line)")
    }
    #expect(once.contains("? Fewer than 8 repeats: no interval, so the ratio may be noise."))
  }

  @Test("An interval whose ends lie unevenly is shown with both, an even one by half of it")
  func unevenIntervals() {
    func text(_ value: Double, _ low: Double, _ high: Double) -> String {
      let cell = ReportCell.number(value, .fixed(2), Interval(low: low, high: high))
      let table = ReportTable(columns: [.init(name: "a")], rows: [[cell]])
      let report = Report(title: "t", sections: [ReportSection(title: "x", tables: [table])])
      return TerminalRenderer().files(of: report)[0].text
    }
    #expect(text(0.87, 0.348, 2.716).contains("0.87 [0.35, 2.72]\n"))
    #expect(text(1.1, 0.95, 1.25).contains("1.10 ±0.15\n"))
    // As far as can be seen.
    #expect(text(1, 0.9962, 1.0004).contains("1.00 ±0.00\n"))
    #expect(text(14, 13.0, 15.05).contains("14.00 ±1.0"))
  }

  @Test("Below the summary stands what its columns need, each explained once, and nothing else")
  func notes() {
    func notes(_ change: (inout ExperimentResults) -> Void) -> String {
      var results = ExampleResults.experiment(contexts: [512])
      change(&results)
      return ExperimentAnalysis(results).summarySection.text.joined(separator: " ")
    }
    let whole = notes { _ in }
    for words in ["errors, times, KV MiB", "KV MiB:", "±", "second run"] {
      #expect(whole.contains(words), "\(whole)")
    }
    let share = ComparisonColumn.globalMeanKVCacheLogicalBytesRatio
    let twoKinds = notes { results in
      for row in 4..<8 { results.rows[row].figures[share] = 0.5 }
    }
    #expect(twoKinds.components(separatedBy: "KV ÷full:").count == 2, "\(twoKinds)")
    #expect(twoKinds.contains("KV ÷full: what the tokens held need"))
    let bytes = notes { results in
      results.timingGroups = []
      for row in results.rows.indices {
        results.rows[row].units = []
        results.rows[row].figures = [.kvCacheResidentBytes: 1e6]
      }
    }
    #expect(
      bytes
        == "Of perplexity/prefill, where it has them: KV MiB. KV MiB: allocated after the prompt.")
    let failed = notes { results in
      results.timingGroups = []
      results.rows = results.rows.map {
        ComparisonRow(planned: $0.planned, failure: StoredFailure(run: 1, reason: "x"))
      }
    }
    #expect(failed.isEmpty, "\(failed)")
  }

  @Test("What the terminal says of failures is there, not elsewhere")
  func failures() {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows[6].failure = StoredFailure(run: 1, reason: "out of memory")
    let text = TerminalRenderer(columns: 1000).files(of: Report(of: results))[0].text
    #expect(text.contains("1 of 8 cells failed: out of memory (tca threshold=0.7"))
    #expect(!text.contains("see Failures"))
  }

  @Test("Only what answers is made to stand out")
  func emphasis() throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9",
      in: [ExampleResults.experiment(contexts: [512])])
    let text = TerminalRenderer(columns: 80, showsIntervals: true, emphasised: { "<\($0)>" })
      .files(of: report)[0].text
    let pieces = text.split(separator: "<").dropFirst().map { $0.prefix { $0 != ">" } }
    #expect(pieces.count == 2)
    #expect(pieces.allSatisfy { $0.hasPrefix("- smollm2-135m at 512 tokens") })
    #expect(text.contains("Of this pair alone, not corrected for others:"))
  }
}
