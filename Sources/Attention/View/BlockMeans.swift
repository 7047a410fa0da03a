import Tensors

/// The mean of each block of consecutive rows, as rows of their own (blocks x headDimension).
enum BlockMeans {
  /// What the sum over a ragged last block is divided by.
  enum Divisor: Sendable { case rowsHeld, blockSize }

  static func of(
    queries: Matrix, head: Range<Int>, blockSize: Int, ragged divisor: Divisor
  ) -> Rows {
    means(
      count: queries.rows, width: head.count, scale: 1, blockSize: blockSize, ragged: divisor
    ) { row, add in
      let source = queries.row(row)
      for i in 0..<head.count { add(i, source[head.lowerBound + i]) }
    }
  }

  /// - Parameter count: the first rows of `keys`.
  static func of(keys: Rows, count: Int, blockSize: Int, ragged divisor: Divisor) -> Rows {
    means(
      count: count, width: keys.width, scale: keys.scale, blockSize: blockSize, ragged: divisor
    ) { row, add in
      let source = keys.row(row)
      for i in 0..<keys.width { add(i, source[i]) }
    }
  }

  @inline(__always)
  private static func means(
    count: Int, width: Int, scale: Double, blockSize: Int, ragged divisor: Divisor,
    row: (Int, (Int, Float) -> Void) -> Void
  ) -> Rows {
    let blocks = (count + blockSize - 1) / blockSize
    var means = [Float](repeating: 0, count: blocks * width)
    var sums = [Double](repeating: 0, count: width)
    for block in 0..<blocks {
      for i in 0..<width { sums[i] = 0 }
      let rows = block * blockSize..<min(count, (block + 1) * blockSize)
      for index in rows { row(index) { sums[$0] += Double($1) } }
      let share = 1 / Double(divisor == .rowsHeld ? rows.count : blockSize)
      for i in 0..<width { means[block * width + i] = Float(sums[i] * share) }
    }
    return Rows(elements: means, firstElement: 0, count: blocks, width: width, scale: scale)
  }
}
