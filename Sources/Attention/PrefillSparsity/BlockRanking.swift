import Kernels
import Tensors

/// For each block of queries the blocks of keys up to it, the largest product of their means first (MInference's
/// block-sparse pattern).
///
/// A ragged last block's mean is its sum over the whole block size, as in the repository, which fills it up with zeros.
package struct BlockRanking: Sendable {
  private let tokens: Int
  private let blockSize: Int
  private let orders: [[Int32]]

  package init(queries: Matrix, head: Range<Int>, keys: Rows, blockSize: Int) {
    tokens = queries.rows
    self.blockSize = blockSize
    let queryMeans = BlockMeans.of(
      queries: queries, head: head, blockSize: blockSize, ragged: .blockSize)
    let keyMeans = BlockMeans.of(
      keys: keys, count: queries.rows, blockSize: blockSize, ragged: .blockSize)
    var products = [Float](repeating: 0, count: keyMeans.count)
    orders = (0..<queryMeans.count).map { block in
      AttentionWeights.logits(
        query: queryMeans.row(block), keys: keyMeans, visible: block + 1, into: &products)
      return (0...block).map { ScoreRank(score: products[$0], index: $0) }.sorted(by: >)
        .map { Int32($0.index) }
    }
  }

  /// The best `count` key blocks of each query block; of equal ones the earlier.
  func select(_ count: Int) -> BlockSelection {
    var selection = BlockSelection(blockSize: blockSize, tokens: tokens)
    for (block, order) in orders.enumerated() {
      selection.set(block, keys: order.prefix(max(0, count)).lazy.map { Int($0) })
    }
    return selection
  }
}
