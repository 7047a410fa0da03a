import Tensors

/// Attention between blocks, estimated from every S-th antidiagonal (XAttention, arXiv 2503.16428).
///
/// Queries and keys are taken in cells of S = `stride` tokens, cell a holding the tokens a·S …
/// a·S + S − 1. The score of two cells is the sum over one antidiagonal of their S x S products,
///
///     s_ab = scale · Σ_{t < S} q_{aS + S−1−t} · k_{bS + t} / S
///
/// tokens beyond the prompt's end counting as zeros. Each cell's row is a softmax over the cells
/// b ≤ a; a block's score is the sum of its cells' weights. Takes one S-th of the products of
/// attention, in memory that does not grow with their number.
public enum AntidiagonalScores {
  /// Cells of queries that are multiplied at a time.
  private static let tileCells = 64

  /// Query blocks of a piece of work: pieces are independent.
  public static func blocksPerPiece(stride: Int, blockSize: Int) -> Int {
    max(1, tileCells * stride / blockSize)
  }

  /// The scores of the query blocks `blocks` of one head: for block i those of the key blocks 0…i.
  ///
  /// - Parameters:
  ///   - queries: (tokens x any columns), the head's at `head`; row i is the query at position i.
  ///   - keys: (at least tokens x headDimension), key j at position j.
  ///   - stride: divides `blockSize`.
  ///   - blocks: of blockSize tokens, counted from the first token; the last one may be ragged.
  public static func scores(
    queries: Matrix, head: Range<Int>, keys: Rows, stride: Int, blockSize: Int, blocks: Range<Int>
  ) -> [[Double]] {
    let tokens = queries.rows
    precondition(
      stride > 0 && blockSize > 0 && blockSize % stride == 0 && keys.width == head.count
        && head.upperBound <= queries.columns && keys.count >= tokens && !blocks.isEmpty
        && (blocks.upperBound - 1) * blockSize < tokens,
      """
      AntidiagonalScores: stride \(stride), blocks \(blocks) of \(blockSize), queries \(tokens) x \
      \(queries.columns), head \(head), keys \(keys.count) x \(keys.width)
      """)
    let cellsPerBlock = blockSize / stride
    let cells = (tokens + stride - 1) / stride
    let rows = blocks.lowerBound * cellsPerBlock..<min(blocks.upperBound * cellsPerBlock, cells)
    let logits = products(queries, head, keys, stride: stride, rows: rows)
    var weights = logits.elements
    return weights.withUnsafeMutableBufferPointer { weights in
      var scores = blocks.map { [Double](repeating: 0, count: $0 + 1) }
      for (row, cell) in rows.enumerated() {
        let line = weights.baseAddress! + row * logits.columns
        AttentionWeights.softmax(ofLogits: line, count: cell + 1)
        let block = cell / cellsPerBlock
        for key in 0...block {
          var sum = 0.0
          for index in key * cellsPerBlock..<min((key + 1) * cellsPerBlock, cell + 1) {
            sum += Double(line[index])
          }
          scores[block - blocks.lowerBound][key] += sum
        }
      }
      return scores
    }
  }

  /// s_ab · log₂ e for the query cells `rows` and all key cells before the last of them,
  /// (rows x key cells).
  private static func products(
    _ queries: Matrix, _ head: Range<Int>, _ keys: Rows, stride: Int, rows: Range<Int>
  ) -> Matrix {
    let d = keys.width
    let width = stride * d
    let tokens = queries.rows
    let whole = min(rows.upperBound, tokens / stride)
    var reversed = [Float](repeating: 0, count: rows.count * width)
    for (row, cell) in rows.enumerated() {
      for slot in 0..<stride {
        let token = cell * stride + stride - 1 - slot
        guard token < tokens else { continue }
        let source = queries.row(token)
        let first = row * width + slot * d
        for i in 0..<d { reversed[first + i] = source[head.lowerBound + i] }
      }
    }
    // The last cell may be ragged: its missing keys are zeros.
    var last = [Float](repeating: 0, count: width)
    for (slot, token) in (whole * stride..<min(tokens, (whole + 1) * stride)).enumerated() {
      let source = keys.row(token)
      for i in 0..<d { last[slot * d + i] = source[i] }
    }
    var result = Matrix(rows: rows.count, columns: rows.upperBound)
    let scale = BinaryLogits.factor(scale: keys.scale) / Float(stride)
    result.elements.withUnsafeMutableBufferPointer { target in
      reversed.withUnsafeBufferPointer { query in
        keys.elements.withUnsafeBufferPointer { key in
          if whole > 0 {
            BLAS.sgemm(
              transposeB: true, m: rows.count, n: whole, k: width, alpha: scale,
              query.baseAddress!, lda: width, key.baseAddress! + keys.firstElement, ldb: width,
              target.baseAddress!, ldc: rows.upperBound)
          }
        }
        if whole < rows.upperBound {
          last.withUnsafeBufferPointer { key in
            BLAS.sgemm(
              transposeB: true, m: rows.count, n: 1, k: width, alpha: scale, query.baseAddress!,
              lda: width, key.baseAddress!, ldb: width, target.baseAddress! + whole,
              ldc: rows.upperBound)
          }
        }
      }
    }
    return result
  }
}
