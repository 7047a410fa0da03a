import Tensors

/// How much the queries of a prompt attend to each key: what `tca-plus` and its calibration select
/// by.
public enum TCAPlusImportance {
  /// The sum over a group's query heads and over queries at even steps through the prompt of the
  /// attention to each key outside of the query's own window, by position.
  ///
  /// - Parameter heads: query heads of one KV head.
  public static func sampled(
    _ layer: LayerView, heads: Range<Int>, queries: Int, window: LocalWindow
  ) -> [Float] {
    let tokens = layer.queryCount
    let count = min(queries, tokens)
    let positions = (1...max(1, count)).map { $0 * tokens / count - 1 }
    return layer.sampledMass(ofHeads: heads, at: positions, outside: window)
  }

  /// The same for the last queries, over all keys.
  public static func last(_ layer: LayerView, heads: Range<Int>, queries: Int) -> [Float] {
    let tokens = layer.queryCount
    return layer.sampledMass(
      ofHeads: heads, at: Array(max(0, tokens - queries)..<tokens), outside: nil)
  }

  /// The `count` most important of the keys `sinks ..< end`, and the sinks, as runs.
  public static func core(
    _ count: Int, of importance: [Float], sinks: Int, end: Int
  ) -> Selection {
    var keeps = [Bool](repeating: false, count: end)
    for sink in 0..<min(sinks, end) { keeps[sink] = true }
    var ranking = KeyRanking()
    ranking.forMostImportant(count, of: importance.span, in: min(sinks, end)..<end) {
      keeps[$0] = true
    }
    return Selection(positions: 0..<end) { keeps[$0] }
  }

  /// max(1, ⌈share · count⌉), at most `count`.
  public static func tokens(_ share: Double, of count: Int) -> Int {
    min(count, max(1, Share.countRoundedUp(share, of: count)))
  }
}
