import Foundation
import Records
import Tensors

/// LagKV: the tokens of a partition that stand out against the partition after it stay.
///
/// Liang et al. 2025, arXiv 2504.04704; as in kvpress (`presses/lagkv_press.py`). After the first `sinks` tokens come
/// partitions of `lag` tokens. In each but the last, every channel of keys is scaled by the minimum and maximum that it
/// takes in the *next* partition; a token's score is the standard deviation over its channels (divided by d − 1), the
/// softmax of that over the partition; the same for values; the mean of both. Tokens are ranked inside their partition,
/// so that partitions keep equal shares. Sinks, the last whole partition and what follows it stay. Queries are not
/// looked at. A prompt shorter than sinks + 2 · lag keeps sinks and its newest tokens.
///
/// Where the source is silent: equal ranks of several partitions go to the earlier one; a budget smaller than what
/// always stays keeps sinks and the newest tokens; a channel that is constant in the next partition counts as 0 (the
/// source divides by 0). `cross_scoring` is left out. Without a budget half of the prompt stays, for want of a
/// published default.
public struct LagKV: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var sinks: Int
    public var lag: Int
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      sinks: Int = 4, lag: Int = 128, retainedFraction: Double = RetentionBudget.defaultFraction,
      budget: Budget? = nil
    ) {
      self.sinks = sinks
      self.lag = lag
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "lagkv",
    summary: "After the prompt, tokens stay that stand out against the partition after theirs.",
    phases: [.retention],
    parameters: [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(4),
        "first tokens always kept, inside the budget"),
      ParameterDescription(
        "lag", .integer(minimum: 1, maximum: largestSize), default: .integer(128),
        "tokens of a partition"),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .faithful,
    source: "Liang et al. 2025, arXiv 2504.04704; github.com/NVIDIA/kvpress")

  public let budget: RetentionBudget
  private let sinks: Int
  private let lag: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "lagkv")
    sinks = try checkSize("sinks", configuration.sinks, atLeast: 0)
    lag = try checkSize("lag", configuration.lag, atLeast: 1)
  }

  /// Partitions that have one after them.
  private func scoredPartitions(of count: Int) -> Int { max(0, (count - sinks) / lag - 1) }

  public func forcedTokens(of count: Int) -> ForcedTokens {
    let first = min(sinks, count)
    return ForcedTokens(first: first, newest: count - first - scoredPartitions(of: count) * lag)
  }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let head = layer.heads[kvHead]
    for partition in 0..<scoredPartitions(of: head.count) {
      let first = sinks + partition * lag
      let both = zip(importance(head.keys, from: first), importance(head.values, from: first))
        .map { ($0 + $1) / 2 }
      let order = both.indices.sorted { both[$0] == both[$1] ? $0 < $1 : both[$0] > both[$1] }
      for (place, index) in order.enumerated() { scores[first + index] = Float(lag - place) }
    }
  }

  /// The softmax, over a partition, of each token's deviation.
  private func importance(_ rows: Rows, from first: Int) -> [Double] {
    let d = rows.width
    var minima = [Float](repeating: .infinity, count: d)
    var maxima = [Float](repeating: -.infinity, count: d)
    for token in first + lag..<first + 2 * lag {
      let row = rows.row(token)
      for i in 0..<d {
        minima[i] = min(minima[i], row[i])
        maxima[i] = max(maxima[i], row[i])
      }
    }
    let scales = (0..<d).map { i in
      maxima[i] > minima[i] ? 1 / (Double(maxima[i]) - Double(minima[i])) : 0
    }
    let deviations = (first..<first + lag).map { token in
      let row = rows.row(token)
      var sum = 0.0
      var squares = 0.0
      for i in 0..<d { sum += (Double(row[i]) - Double(minima[i])) * scales[i] }
      let mean = sum / Double(d)
      for i in 0..<d {
        let difference = (Double(row[i]) - Double(minima[i])) * scales[i] - mean
        squares += difference * difference
      }
      return (squares / Double(max(1, d - 1))).squareRoot()
    }
    let largest = deviations.max() ?? 0
    let weights = deviations.map { exp($0 - largest) }
    let total = weights.reduce(0, +)
    return weights.map { $0 / total }
  }
}
