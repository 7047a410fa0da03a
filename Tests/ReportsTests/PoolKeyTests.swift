import JSON
import Records
import Testing

@testable import Reports

@Suite("What is taken together")
struct PoolKeyTests {
  private static let texts = ["a", "b", "c", "d"]

  /// The example's perplexity, or its passkeys, once for each of these parameters.
  private func results(
    _ parameters: [[String: JSONValue]], isScored: Bool = false
  ) -> ExperimentResults {
    var results = ExampleResults.experiment(contexts: [512])
    let example = results.rows.filter { ($0.planned.cell.task == "passkey") == isScored }
    results.rows = parameters.enumerated().flatMap { number, parameters in
      example.map { row in
        var row = row
        row.planned.cell.identity += " \(number)"
        row.planned.fullIdentity += " \(number)"
        row.planned.cell.taskParameters = .object(parameters)
        return row
      }
    }
    return results
  }

  /// How many tasks the pools have.
  private func sizes(
    _ parameters: [[String: JSONValue]], isScored: Bool = false
  ) -> [Int] {
    ExperimentAnalysis(results(parameters, isScored: isScored)).pools.map(\.tasks.count)
  }

  private func text(_ name: String, joinLines: Bool) -> [String: JSONValue] {
    ["corpus": .string(name), "joinLines": .boolean(joinLines), "samples": 8]
  }

  @Test("A text that is read in two ways counts once, in two pools")
  func twoReadings() throws {
    let parameters = [true, false].flatMap { joinLines in
      Self.texts.map { text($0, joinLines: joinLines) }
    }
    let results = results(parameters)
    let pools = ExperimentAnalysis(results).pools
    #expect(pools.map(\.names) == [Self.texts, Self.texts])
    #expect(pools.map(\.distinctionWords) == ["joinLines=true", "joinLines=false"])
    #expect(
      pools.map(\.panelTitle)
        == ["true", "false"].map { "smollm2-135m at 512 tokens, joinLines=\($0)" })
    for pool in pools {
      let difference = try #require(pool.difference(from: "full", to: "streaming-llm"))
      #expect(difference.clusters == "4 texts")
    }
    let comparison = try PairComparison(
      of: "streaming-llm", with: "tca threshold=0.9", in: [results])
    let verdicts = comparison.report.sections[0].items
    try #require(verdicts.count == 2)
    for (verdict, word) in zip(verdicts, ["true", "false"]) {
      #expect(
        verdict.contains(", perplexity/prefill, 4 together, joinLines=\(word): "), "\(verdict)")
      #expect(verdict.contains("on 4 of 4 texts"), "\(verdict)")
    }
  }

  @Test("Texts that are each read in their own way are one pool")
  func ownReading() {
    let novels = Self.texts.map { text($0, joinLines: true) }
    #expect(sizes(novels + [text("code", joinLines: false)]) == [5])
    let pools = ExperimentAnalysis(
      results(novels + [text("code", joinLines: false), text("code", joinLines: true)])
    ).pools
    #expect(pools.map(\.names) == [Self.texts + ["code"], ["code"]])
  }

  @Test("Tasks with scores are taken together at equal parameters: shared prompts count once")
  func scores() {
    #expect(
      sizes([["task": "vt", "samples": 20], ["task": "vt", "samples": 50]], isScored: true) == [
        1, 1,
      ])
    #expect(
      sizes([["task": "vt", "samples": 20], ["task": "cwe", "samples": 20]], isScored: true) == [2])
    #expect(
      sizes(
        [
          ["dataset": "qasper", "folder": "x", "samples": .null],
          ["dataset": "hotpotqa", "folder": "x", "samples": .null],
          ["dataset": "hotpotqa", "folder": "x", "samples": 20],
        ], isScored: true) == [2, 1])
    #expect(sizes([["depths": [0.1]], ["depths": [0.9]]], isScored: true) == [1, 1])
  }

  @Test("Tasks of a family are called by which they are, not by a text that they may not read")
  func family() {
    let results = results(
      [
        ["task": "niah_single_1", "corpus": "persuasion", "samples": 50],
        ["task": "niah_single_2", "corpus": "kjv", "samples": 24],
      ], isScored: true)
    let names = ["passkey task=niah_single_1", "passkey task=niah_single_2"]
    #expect(results.rows.map(TaskLabels(results.rows).label(of:)).uniqued == names)
    let pools = ExperimentAnalysis(results).pools
    #expect(pools.map(\.title) == names && pools.flatMap(\.names) == names)
  }

  @Test("A method is held against its control over tasks of equal parameters")
  func controls() {
    func together(_ samples: [Int]) -> [String] {
      var results = results(
        samples.enumerated().map {
          ["task": .integer($0.offset), "samples": .integer($0.element)]
        },
        isScored: true)
      for index in results.rows.indices {
        let isControl = results.rows[index].planned.label == "tca threshold=0.7"
        guard isControl || results.rows[index].planned.label == "streaming-llm" else { continue }
        results.rows[index].planned.cell.strategyParameters = ["budget": ["fraction": 0.4]]
        if isControl {
          results.rows[index].planned.cell.strategy = "random"
          results.rows[index].planned.cell.strategyRole = .control
        }
        results.rows[index].units = (0..<4).map { prompt in
          ScoredUnit(
            sample: prompt, index: 0, place: 0, tokens: 1, score: isControl ? 1 : 0)
        }
      }
      return ExperimentAnalysis(results).flags.filter { $0.contains("tasks together") }
    }
    // Eight prompts of eight are beyond chance, four of four are not.
    #expect(together([4, 4]).count == 1)
    #expect(together([4, 5]).isEmpty)
  }
}
