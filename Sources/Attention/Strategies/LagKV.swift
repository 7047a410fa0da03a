import Foundation
import Records

/// LagKV: the tokens of a partition that stand out against the partition after it stay.
///
/// Liang et al. 2025, arXiv 2504.04704; as in kvpress (`presses/lagkv_press.py`). After the first
/// `sinks` tokens come partitions of `lag` tokens. In each but the last, every channel of keys is
/// scaled by the minimum and maximum that it takes in the *next* partition; a token's score is the
/// standard deviation over its channels (divided by d − 1), the softmax of that over the partition;
/// the same for values; the mean of both. Tokens are ranked inside their partition, so that
/// partitions keep equal shares. Sinks, the last whole partition and what follows it stay. Queries
/// do not matter. A prompt shorter than sinks + 2 · lag keeps sinks and its newest tokens.
///
/// Where the source is silent: on equal ranks in several partitions the earlier one wins; a budget
/// smaller than what always stays keeps sinks and the newest tokens; a channel that is constant in
/// the next partition counts as 0 (the source divides by 0). `cross_scoring` is left out. Without a
/// budget half of the prompt stays, for want of a published default.
public struct LagKV: Scorer {
  public static let about = StrategyFacts(
    "lagkv", "After the prompt, tokens stay that stand out against the partition after theirs.",
    .faithful, source: "Liang et al. 2025, arXiv 2504.04704; github.com/NVIDIA/kvpress")

  @Parameter("first tokens always kept, inside the budget", 0...) public var sinks = 4
  @Parameter("tokens of a partition", 1...) public var lag = 128

  public init() {}

  /// Partitions that are followed by another.
  private func scoredPartitions(of count: Int) -> Int { max(0, (count - sinks) / lag - 1) }

  public func forcedTokens(of count: Int) -> ForcedTokens {
    let first = min(sinks, count)
    return ForcedTokens(first: first, newest: count - first - scoredPartitions(of: count) * lag)
  }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    let count = layer.heads[kvHead].count
    var scores = [Float](repeating: 0, count: count)
    for partition in 0..<scoredPartitions(of: count) {
      let first = sinks + partition * lag
      let (slots, next) = (first..<first + lag, first + lag..<first + 2 * lag)
      let both = zip(
        softmax(layer.keyDeviations(ofKVHead: kvHead, in: slots, scaledBy: next)),
        softmax(layer.valueDeviations(ofKVHead: kvHead, in: slots, scaledBy: next))
      ).map { ($0 + $1) / 2 }
      let order = both.indices.sorted { both[$0] == both[$1] ? $0 < $1 : both[$0] > both[$1] }
      for (place, index) in order.enumerated() { scores[first + index] = Float(lag - place) }
    }
    return scores
  }

  private func softmax(_ values: [Double]) -> [Double] {
    let largest = values.max() ?? 0
    let weights = values.map { exp($0 - largest) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }
}
