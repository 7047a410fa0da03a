import Kernels
import Tensors

/// s: how much attention each cached key gets from the queries that a selection goes by.
///
/// Of several query heads of one group, the mean.
public enum TCAImportance {
  /// The mean of the causal softmax rows of the last `queryCount` prompt queries, over all keys of the prompt.
  ///
  /// - Parameter heads: query heads of one KV head.
  public static func afterPrompt(
    _ layer: LayerView, heads: Range<Int>, queryCount: Int
  ) -> [Float] {
    mean(layer, heads) { columns, keys, weights in
      AttentionWeights.meanSoftmax(
        queries: layer.queries, firstPosition: layer.firstQueryPosition, columns: columns,
        count: queryCount, newest: layer.newestQuery, keys: keys, into: &weights)
    }
  }

  /// The softmax row of the newest query over the keys that the cache holds, by slot.
  static func inDecode(_ layer: LayerView, heads: Range<Int>) -> [Float] {
    let row = layer.queries.rows - 1
    return mean(layer, heads) { columns, keys, weights in
      AttentionWeights.softmax(
        query: layer.queries.row(row).extracting(columns), keys: keys, visible: keys.count,
        into: &weights)
    }
  }

  private static func mean(
    _ layer: LayerView, _ heads: Range<Int>,
    _ weigh: (_ columns: Range<Int>, _ keys: Rows, _ weights: inout [Float]) -> Void
  ) -> [Float] {
    let d = layer.shape.headDimension
    let keys = layer.heads[layer.shape.kvHead(of: heads.lowerBound)].keys
    var sum = [Float](repeating: 0, count: keys.count)
    weigh(heads.lowerBound * d..<(heads.lowerBound + 1) * d, keys, &sum)
    guard heads.count > 1 else { return sum }
    var row = sum
    for head in heads.dropFirst() {
      weigh(head * d..<(head + 1) * d, keys, &row)
      for index in sum.indices { sum[index] += row[index] }
    }
    let share = 1 / Float(heads.count)
    for index in sum.indices { sum[index] *= share }
    return sum
  }
}
