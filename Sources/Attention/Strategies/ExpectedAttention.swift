import Foundation
import Records

/// Expected attention: the tokens stay that future queries are expected to attend to.
///
/// Devoto et al. 2025, arXiv 2510.00636; as in kvpress (`presses/expected_attention_press.py`). For
/// each query head, over the prompt's queries after the first `sinks`, before their rotation: mean
/// μ and covariance Σ (divided by the number of queries). With R the mean of the rotations of the
/// `futurePositions` positions after the prompt, μ ← Rμ, Σ ← RΣRᵀ. A token's score is the softmax,
/// over all tokens after the sinks, of kᵀμ/√d + kᵀΣk/2d for the cached, rotated key k; the mean
/// over the query heads of a KV head; plus `epsilon`, times ‖v‖₂. `covariance` and `valueNorm`
/// (kvpress's `use_covariance`, `use_vnorm`) leave out Σ and ‖v‖₂. The defaults are kvpress's; its
/// published evaluation has `epsilon` 0.01 and `headBudgets` adaptive: KV heads share a layer's
/// budget as AdaKV's do (`protected`), with a floor of `floorFraction`. The sinks stay.
///
/// Deviations: queries before rotation are recovered from the rotated ones (equal except for
/// rounding); without known rotary positions nothing is rotated; the newest token always stays,
/// inside the budget (our caches never drop it), where kvpress may drop it. Without a budget half
/// of the prompt stays, for want of a published default.
///
/// With `evictEvery` the statistics are those of the queries decoded since the last cut.
///
/// Costs 2 d² multiplications for each token and query head.
public struct ExpectedAttention: Scorer {
  public enum HeadBudgets: String, ParameterChoice { case uniform, adaptive }

  public static let about = StrategyFacts(
    "expected-attention",
    "After the prompt, the tokens stay that queries to come are expected to attend to.",
    .simplified, source: "Devoto et al. 2025, arXiv 2510.00636; github.com/NVIDIA/kvpress")

  @Parameter("first tokens always kept, inside the budget, and not looked at", 0...)
  public var sinks = 4
  @Parameter("positions after the prompt over which rotations are averaged", 1...65_536)
  public var futurePositions = 512
  @Parameter("the spread of the queries counts, not their mean alone")
  public var covariance = true
  @Parameter("scores are scaled by the values' norms") public var valueNorm = true
  @Parameter("added to the expected attention before it is scaled", 0...1)
  public var epsilon = 0.0
  @Parameter(
    "whether the KV heads of a layer have the same budget or share it by what their scores are worth",
    isLeftOutAtDefault: true)
  public var headBudgets = HeadBudgets.uniform
  @Parameter(
    "share of the mean budget that every head has in any case, where budgets are adaptive", 0...1,
    isLeftOutAtDefault: true)
  public var floorFraction = 0.2

  public init() {}

  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens(first: sinks) }

  public func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int] {
    guard headBudgets == .adaptive else {
      return Array(repeating: capacity, count: scores.count)
    }
    let first = ForcedTokens(first: sinks, newest: forced).limited(to: capacity).first
    let stay = first + forced
    return HeadShares(floorFraction: floorFraction).counts(
      of: capacity - stay, besideForced: stay, scores.map { $0.dropFirst(first).dropLast(forced) }
    ).map { $0 + stay }
  }

  /// All since the last cut.
  public var observedQueries: Int { .max }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    let count = layer.heads[kvHead].count
    var scores = [Float](repeating: 0, count: count)
    guard count > sinks, layer.newestQuery >= sinks else { return scores }
    var expected = [Double](repeating: 0, count: count - sinks)
    let turns = layer.turnsBack(from: sinks)
    let queryHeads = layer.shape.queryHeads(of: kvHead)
    for queryHead in queryHeads {
      var logits = layer.logExpectations(
        ofHead: queryHead, from: sinks, futurePositions: futurePositions,
        withCovariance: covariance, turns)
      let largest = logits.max() ?? 0
      var total = 0.0
      for index in logits.indices {
        logits[index] = exp(logits[index] - largest)
        total += logits[index]
      }
      let share = 1 / (total * Double(queryHeads.count))
      for index in logits.indices { expected[index] += logits[index] * share }
    }
    let norms = valueNorm ? layer.valueNorms(ofKVHead: kvHead) : []
    for (index, value) in expected.enumerated() {
      scores[sinks + index] = Float(
        valueNorm ? (value + epsilon) * norms[sinks + index] : value)
    }
    return scores
  }
}
