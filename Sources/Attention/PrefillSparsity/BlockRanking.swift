/// For each block of queries, the key blocks up to it by falling product of their means
/// (MInference's block-sparse pattern).
///
/// A ragged last block's mean is its sum over the whole block size, as in the repository, which
/// fills it up with zeros.
package struct BlockRanking: Sendable {
  private let tokens: Int
  private let blockSize: Int
  private let orders: [[Int32]]

  package init(_ layer: LayerView, head: Int, blockSize: Int) {
    tokens = layer.queryCount
    self.blockSize = blockSize
    orders = layer.blockProducts(ofHead: head, blockSize: blockSize).map { products in
      products.indices.map { ScoreRank(score: products[$0], index: $0) }.sorted(by: >)
        .map { Int32($0.index) }
    }
  }

  /// The best `count` key blocks of each query block; the earlier on ties.
  func select(_ count: Int) -> BlockSelection {
    var selection = BlockSelection(blockSize: blockSize, tokens: tokens)
    for (block, order) in orders.enumerated() {
      selection.set(block, keys: order.prefix(max(0, count)).lazy.map { Int($0) })
    }
    return selection
  }
}
