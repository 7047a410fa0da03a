import Kernels
import Tensors
import Threads

/// Cheap estimates of a prompt's attention, block by block, from block means or antidiagonals.
extension LayerView {
  /// For each block of queries, the products of its mean with the means of the key blocks up to it,
  /// divided by √d (in units of log 2). A ragged last block's mean is its sum over the whole block
  /// size.
  func blockProducts(ofHead head: Int, blockSize: Int) -> [[Float]] {
    let queryMeans = queryMeans(ofHead: head, blockSize: blockSize, ragged: .blockSize)
    let keyMeans = keyMeans(ofHead: head, blockSize: blockSize, ragged: .blockSize)
    return (0..<queryMeans.count).map { block in
      var products = [Float](repeating: 0, count: block + 1)
      AttentionWeights.logits(
        query: queryMeans.row(block), keys: keyMeans, visible: block + 1, into: &products)
      return products
    }
  }

  /// For each block of queries, the softmax of its mean over the means of the key blocks up to it.
  func blockAttention(ofHead head: Int, blockSize: Int) -> [[Float]] {
    let queryMeans = queryMeans(ofHead: head, blockSize: blockSize, ragged: .rowsHeld)
    let keyMeans = keyMeans(ofHead: head, blockSize: blockSize, ragged: .rowsHeld)
    return (0..<queryMeans.count).map { block in
      var weights = [Float](repeating: 0, count: block + 1)
      AttentionWeights.softmax(
        query: queryMeans.row(block), keys: keyMeans, visible: block + 1, into: &weights)
      return weights
    }
  }

  /// The softmax of the mean of a prompt's last `count` queries over the means of all key blocks.
  func blockAttention(ofHead head: Int, ofLast count: Int, blockSize: Int) -> [Float] {
    let columns = columns(of: head)
    var mean = [Double](repeating: 0, count: columns.count)
    for row in queryCount - count..<queryCount {
      let query = queries.row(row)
      for i in 0..<columns.count { mean[i] += Double(query[columns.lowerBound + i]) }
    }
    let query = mean.map { Float($0 / Double(count)) }
    let keyMeans = keyMeans(ofHead: head, blockSize: blockSize, ragged: .rowsHeld)
    var weights = [Float](repeating: 0, count: keyMeans.count)
    AttentionWeights.softmax(
      query: query.span, keys: keyMeans, visible: keyMeans.count, into: &weights)
    return weights
  }

  private func queryMeans(
    ofHead head: Int, blockSize: Int, ragged: BlockMeans.Divisor
  ) -> Rows {
    BlockMeans.of(queries: queries, head: columns(of: head), blockSize: blockSize, ragged: ragged)
  }

  private func keyMeans(ofHead head: Int, blockSize: Int, ragged: BlockMeans.Divisor) -> Rows {
    BlockMeans.of(keys: keys(of: head), count: queryCount, blockSize: blockSize, ragged: ragged)
  }

  /// The antidiagonal scores of every query head (XAttention): for query block i those of the key
  /// blocks 0…i.
  public func antidiagonalScores(stride: Int, blockSize: Int) -> [[[Double]]] {
    let blocks = (queryCount + blockSize - 1) / blockSize
    let size = AntidiagonalScores.blocksPerPiece(stride: stride, blockSize: blockSize)
    let pieces = (blocks + size - 1) / size
    let count = shape.queryHeads
    // The longest pieces first.
    let found = workspace.workers.map(count: pieces * count) { item in
      let piece = pieces - 1 - item / count
      let head = item % count
      return AntidiagonalScores.scores(
        queries: queries, head: columns(of: head), keys: keys(of: head), stride: stride,
        blockSize: blockSize, blocks: piece * size..<min((piece + 1) * size, blocks))
    }
    return (0..<count).map { head in
      (0..<pieces).reversed().flatMap { found[$0 * count + head] }
    }
  }
}
