import Kernels
import Records
import Tensors

/// How much the last queries of a prompt attend to the tokens before them: the score of SnapKV and its descendants.
///
/// For each query head: the mean of the causal softmax rows of the last `size` queries over all keys; of the keys
/// before the window, pooled over neighbours and combined over the query heads of a KV head.
struct ObservedWindow: Sendable, Hashable {
  /// Which comes first.
  enum Order: Sendable, Hashable { case pooling, aggregation }

  let size: Int
  private let pooling: ScorePooling
  private let aggregation: GroupAggregation
  private let first: Order

  /// Throws for sizes below 1.
  init(
    size: Int, kernel: Int, pooling: ScorePooling.Method, aggregation: GroupAggregation,
    first: Order = .pooling
  ) throws(ConfigurationError) {
    self.size = try checkSize("observationWindow", size, atLeast: 1)
    self.pooling = ScorePooling(pooling, kernel: try checkSize("kernel", kernel, atLeast: 1))
    self.aggregation = aggregation
    self.first = first
  }

  /// What a strategy that goes by it is told.
  static let parameters = [
    ParameterDescription(
      "observationWindow", .integer(minimum: 1, maximum: largestSize), default: .integer(64),
      "last queries of the prompt that are looked at; their tokens stay, inside the budget"),
    ParameterDescription(
      "kernel", .integer(minimum: 1, maximum: largestSize), default: .integer(5),
      "neighbouring keys over which attention is pooled"),
    ParameterDescription(
      "pooling", .choice(ScorePooling.Method.allCases.map(\.rawValue)),
      default: .string("average"), "what becomes of the attention of neighbouring keys"),
    ParameterDescription(
      "aggregation", .choice(GroupAggregation.allCases.map(\.rawValue)),
      default: .string("mean"), "how the query heads of a KV head are combined"),
  ]

  /// The window's own tokens stay, as far as a budget allows.
  var forcedTokens: ForcedTokens { ForcedTokens(newest: size) }

  /// Writes the scores of the tokens before the window; those of the window stay as they are.
  func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    let keys = layer.heads[kvHead].keys
    let scored = keys.count - size
    guard scored > 0 else { return }
    let d = layer.shape.headDimension
    var weights = scores
    for head in queryHeads {
      AttentionWeights.meanSoftmax(
        queries: layer.queries, firstPosition: layer.firstQueryPosition,
        columns: head * d..<(head + 1) * d, count: size, newest: layer.newestQuery, keys: keys,
        into: &weights)
      switch first {
      case .pooling: aggregation.add(pooling.pooled(weights[..<scored]), to: &scores)
      case .aggregation: aggregation.add(Array(weights[..<scored]), to: &scores)
      }
    }
    aggregation.finish(&scores, heads: queryHeads.count)
    if first == .aggregation {
      for (key, score) in pooling.pooled(scores[..<scored]).enumerated() { scores[key] = score }
    }
  }
}
