import Records

/// How much the last queries of a prompt attend to the tokens before them: the score of SnapKV and
/// its descendants.
///
/// For each query head: the mean of the causal softmax rows of the last `size` queries over all
/// keys; of the keys before the window, pooled over neighbours and combined over the query heads of
/// a KV head.
public struct ObservedWindow: ParameterGroup {
  /// Which comes first.
  enum Order: Sendable, Hashable { case pooling, aggregation }

  @Parameter(
    "last queries of the prompt that are looked at; their tokens stay, inside the budget", 1...)
  public var observationWindow = 64
  @Parameter("neighbouring keys over which attention is pooled", 1...) public var kernel = 5
  @Parameter("what becomes of the attention of neighbouring keys")
  public var pooling = ScorePooling.Method.average
  @Parameter("how the query heads of a KV head are combined")
  public var aggregation = GroupAggregation.mean
  var first = Order.pooling

  init(first: Order = .pooling) { self.first = first }

  private enum CodingKeys: CodingKey { case observationWindow, kernel, pooling, aggregation }

  /// The window's own tokens stay, as far as a budget allows.
  var forcedTokens: ForcedTokens { ForcedTokens(newest: observationWindow) }

  /// The scores of the tokens before the window; those of the window are 0.
  func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    var scores = [Float](repeating: 0, count: layer.heads[kvHead].count)
    let scored = scores.count - observationWindow
    guard scored > 0 else { return scores }
    let pooling = ScorePooling(pooling, kernel: kernel)
    let heads = layer.shape.queryHeads(of: kvHead)
    for head in heads {
      let weights = layer.meanSoftmaxRow(ofHead: head, lastQueries: observationWindow)
      switch first {
      case .pooling: aggregation.add(pooling.pooled(weights[..<scored]), to: &scores)
      case .aggregation: aggregation.add(Array(weights[..<scored]), to: &scores)
      }
    }
    aggregation.finish(&scores, heads: heads.count)
    if first == .aggregation {
      for (key, score) in pooling.pooled(scores[..<scored]).enumerated() { scores[key] = score }
    }
    return scores
  }
}
