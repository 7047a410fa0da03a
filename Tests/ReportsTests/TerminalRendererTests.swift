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
