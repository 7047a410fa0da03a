import JSON
import Records

@testable import Reports

/// Made-up experiments of a leaderboard: five texts, needles and times, figures that are easy to follow.
enum LeaderboardExample {
  struct Method {
    var label: String
    var name: String
    var parameters: JSONValue
    /// Nats a token over full's, on average over the texts.
    var loss: Double
    /// Of full's bytes.
    var share: Double
    var role = StrategyRole.method
  }

  static let full = Method(
    label: "full cache=f16", name: "full", parameters: ["cache": "f16"], loss: 0, share: 1,
    role: .reference)

  static let methods = [
    full,
    Method(
      label: "full cache=q4_0", name: "full", parameters: ["cache": "q4_0"], loss: 0.003,
      share: 0.2812, role: .reference),
    budgeted("snapkv", 0.5, loss: 0.02), budgeted("h2o", 0.5, loss: 0.02),
    budgeted("snapkv", 0.25, loss: 0.05), budgeted("h2o", 0.25, loss: 0.3),
  ]

  static func budgeted(_ name: String, _ share: Double, loss: Double) -> Method {
    Method(
      label: "\(name) meanKvBytes=\(share)", name: name,
      parameters: ["budget": ["meanKvBytes": .number(share)], "cache": "f16"], loss: loss,
      share: share)
  }

  /// What is known of them.
  static let described: [StrategyDescription] = [
    describe("full", [], .faithful), describe("snapkv", [.retention], .faithful),
    describe("h2o", [.retention], .simplified),
  ]

  static func describe(
    _ name: String, _ phases: [StrategyPhase], _ fidelity: Fidelity = .own,
    parameters: [ParameterDescription] = []
  ) -> StrategyDescription {
    StrategyDescription(
      name: name, summary: "", phases: phases, parameters: parameters, fidelity: fidelity,
      source: "")
  }

  static let texts = ["northangerabbey", "kjv", "sqlite-docs", "jargon", "code"]

  /// Each method on each text: eight windows, the last text the hardest.
  static func quality(_ methods: [Method] = methods, context: Int = 2048) -> ExperimentResults {
    results(
      context == 2048 ? "leaderboard" : "leaderboard-8k",
      texts.enumerated().flatMap { number, text in
        methods.enumerated().map { place, method in
          var row = row(
            method, context: context, task: "perplexity", taskProtocol: "continuation",
            parameters: ["corpus": .string("corpora/\(text).txt"), "samples": 8], place: text)
          row.units = (0..<8).map { window in
            // A difference from window to window and from text to text that no method shares with another.
            let own = Double((window * 7 + number * 5 + place * 3) % 11 - 5) / 50
            let loss = method.loss * (0.6 + 0.2 * Double(number) + own)
            let level = 2.5 + Double(window) / 10
            return ScoredUnit(
              sample: window, index: 0, place: 0, tokens: 64,
              negativeLogLikelihood: 64 * (level + loss))
          }
          return row
        }
      })
  }

  /// Eight prompts, of which `found` are solved.
  static func needles(
    _ found: [(Method, Int)], of name: String = Leaderboard.needleNames[0],
    task: String = "niah_single_1"
  ) -> ExperimentResults {
    results(
      name,
      found.map { method, found in
        var row = row(
          method, context: 2048, task: "ruler", taskProtocol: nil,
          parameters: ["task": .string(task)], place: "needle")
        // Labels are those of another experiment.
        row.planned.label = method.name
        row.planned.cell.queryAware = false
        row.figures[.score] = Double(found) / 8
        row.units = (0..<8).map { prompt in
          ScoredUnit(
            sample: prompt, index: 0, place: 0.5, tokens: 1, score: prompt < found ? 1 : 0)
        }
        return row
      })
  }

  /// At 8,192 tokens, each method at a ratio to full.
  static func times(_ ratios: [(Method, Double)]) -> ExperimentResults {
    var results = results(
      Leaderboard.latencyName,
      ratios.map { method, _ in
        row(
          method, context: 8192, task: "perplexity", taskProtocol: "continuation",
          parameters: ["corpus": "corpora/northangerabbey.txt"], place: "time")
      })
    let samples = (0..<8).flatMap { round in
      ratios.map { method, ratio in
        let jitter = ratio == 1 ? 1 : 1 + Double(round % 3 - 1) / 100
        return TimingSample(
          identity: identity(method, "time", 8192), repetition: round, isWarmup: false,
          promptTokens: 8192, decodeTokens: 32, timeToFirstToken: 20 * (2 - ratio) * jitter,
          timePerOutputToken: 0.05 * ratio * jitter, attentionTime: 1, selectionTime: 0,
          compactionTime: 0, otherTime: 1, decodeAttentionTime: 0.01, decodeSelectionTime: 0,
          decodeCompactionTime: 0, decodeOtherTime: 0.04)
      }
    }
    results.timingGroups = [
      StoredTimingGroup(id: 1, run: 1, group: TimingGroup(threads: 2, samples: samples))
    ]
    return results
  }

  // MARK: Parts

  private static func identity(_ method: Method, _ place: String, _ context: Int) -> String {
    "\(place) \(context) \(method.label)"
  }

  private static func results(_ name: String, _ rows: [ComparisonRow]) -> ExperimentResults {
    ExperimentResults(
      experiment: ExperimentRecord(name: name, question: "Which loses least?", spec: "{}"),
      runs: [
        StoredRun(
          id: 1, experiment: name, startedAt: "2026-07-29T10:00:00.000Z",
          endedAt: "2026-07-29T11:00:00.000Z", ending: .finished,
          provenance: ExampleResults.provenance)
      ], rows: rows)
  }

  private static func row(
    _ method: Method, context: Int, task: String, taskProtocol: String?, parameters: JSONValue,
    place: String
  ) -> ComparisonRow {
    let cell = CellRecord(
      identity: identity(method, place, context), model: "smollm2-135m",
      modelDigest: "b179c9523d0e6a0f", contextLength: context, strategy: method.name,
      strategyParameters: method.parameters, task: task, taskProtocol: taskProtocol,
      taskParameters: parameters, queryAware: true, selectionLooksAhead: false,
      strategyRole: method.role, seed: 7)
    let fullBytes = Double(context) * 23_040
    return ComparisonRow(
      planned: PlannedCell(
        cell: cell, label: method.label, fullIdentity: identity(full, place, context)),
      figures: [
        .globalMeanKVCacheLogicalBytes: fullBytes * method.share,
        .globalMeanKVCacheLogicalBytesRatio: method.share,
        .meanKVCacheResidentBytes: fullBytes * method.share,
        .meanKVCacheResidentBytesRatio: method.share,
        .peakKVCacheResidentBytes: fullBytes * (method.share + 0.1),
        .kvCacheResidentBytes: fullBytes * method.share,
      ], kinds: [.quality: 1, .memory: 1, .latency: 1])
  }
}
