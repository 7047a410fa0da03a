import Tensors

/// Rows of the attention matrix for a few queries: what strategies and calibration base their
/// choices on.
public enum AttentionWeights {
  /// The softmax of one query over the first `visible` keys: s_j = exp(scale·q·k_j) / Σ_j'
  /// exp(scale·q·k_j').
  ///
  /// - Parameters:
  ///   - query: (headDimension).
  ///   - keys: (keys x headDimension), at least `visible` rows, at least one.
  ///   - weights: at least `visible` floats; the first `visible` are overwritten and sum to 1.
  public static func softmax(
    query: Span<Float>, keys: Rows, visible: Int, into weights: inout [Float]
  ) {
    logits(query: query, keys: keys, visible: visible, into: &weights)
    weights.withUnsafeMutableBufferPointer { weights in
      softmax(ofLogits: weights.baseAddress!, count: visible)
    }
  }

  /// The same over the first `visible` keys of a cache, whatever its format.
  public static func softmax(
    query: Span<Float>, cache: KVHead, visible: Int, into weights: inout [Float]
  ) {
    query.withUnsafeBufferPointer { query in
      cache.withMemory { keys, _ in
        logits(
          query: query, keys: keys, width: cache.headDimension, held: cache.count,
          scale: cache.scale, visible: visible, into: &weights)
      }
    }
    weights.withUnsafeMutableBufferPointer { weights in
      softmax(ofLogits: weights.baseAddress!, count: visible)
    }
  }

  /// Turns logits in units of log 2 into their softmax, in place.
  static func softmax(ofLogits row: UnsafeMutablePointer<Float>, count: Int) {
    var best = SIMD16<Float>(repeating: -.infinity)
    forVectors(row, count: count, padding: -.infinity) { vector in
      best = best.orLarger(vector)
      return vector
    }
    let shift = SIMD16<Float>(repeating: best.laneMaximum)
    var total = 0.0
    forVectors(row, count: count, padding: -.infinity) { vector in
      let weight = vectorExp2(vector - shift)
      total += Double(weight.laneSum)
      return weight
    }
    let scale = SIMD16<Float>(repeating: Float(1 / total))
    forVectors(row, count: count, padding: 0) { $0 * scale }
  }

  /// The mean of the causal softmax rows of the last `count` queries before `visible` keys.
  ///
  /// - Parameters:
  ///   - query: gives the query at a position (headDimension).
  ///   - newest: the position of the newest query; key j of `keys` has position j.
  public static func meanSoftmax(
    queries: Matrix, firstPosition: Int, columns: Range<Int>, count: Int, newest: Int, keys: Rows,
    into weights: inout [Float]
  ) {
    let first = max(firstPosition, newest - count + 1)
    let visible = newest + 1
    if first == newest {
      let query = queries.row(newest - firstPosition).extracting(columns)
      softmax(query: query, keys: keys, visible: visible, into: &weights)
      return
    }
    var row = [Float](repeating: 0, count: visible)
    for index in 0..<visible { weights[index] = 0 }
    let share = 1 / Float(newest - first + 1)
    for position in first...newest {
      let query = queries.row(position - firstPosition).extracting(columns)
      softmax(query: query, keys: keys, visible: position + 1, into: &row)
      for index in 0...position { weights[index] += row[index] * share }
    }
  }

  /// Causal softmax rows of consecutive queries, the query at position i over the keys 0…i.
  ///
  /// - Parameters:
  ///   - rows: of `queries`; row i is the query at position i, key j has position j.
  ///   - columns: the head's columns of `queries`.
  ///   - stride: floats from one row of `weights` to the next, at least `rows.upperBound` rounded
  ///     up to whole 16s.
  ///   - weights: (rows x stride); after a query's own key there are zeros up to a multiple of 16.
  public static func causalRows(
    _ rows: Range<Int>, queries: Matrix, columns: Range<Int>, keys: Rows,
    into weights: inout [Float], stride: Int
  ) {
    precondition(
      rows.upperBound <= queries.rows && rows.upperBound <= keys.count
        && columns.upperBound <= queries.columns && columns.count == keys.width
        && stride >= (rows.upperBound + 15) / 16 * 16 && weights.count >= rows.count * stride,
      """
      AttentionWeights.causalRows: rows \(rows) of \(queries.rows), columns \(columns), keys \
      \(keys.count) x \(keys.width), stride \(stride), room for \(weights.count)
      """)
    guard !rows.isEmpty else { return }
    weights.withUnsafeMutableBufferPointer { weights in
      causalRows(
        rows, queries: queries, columns: columns, keys: keys, into: weights.baseAddress!,
        stride: stride)
    }
  }

  static func causalRows(
    _ rows: Range<Int>, queries: Matrix, columns: Range<Int>, keys: Rows,
    into weights: UnsafeMutablePointer<Float>, stride: Int
  ) {
    let d = keys.width
    let visible = rows.upperBound
    queries.elements.withUnsafeBufferPointer { query in
      keys.elements.withUnsafeBufferPointer { key in
        BLAS.sgemm(
          transposeB: true, m: rows.count, n: visible, k: d,
          alpha: BinaryLogits.factor(scale: keys.scale),
          query.baseAddress! + rows.lowerBound * queries.columns + columns.lowerBound,
          lda: queries.columns, key.baseAddress! + keys.firstElement, ldb: d, weights, ldc: stride)
      }
    }
    for (row, query) in rows.enumerated() {
      let line = weights + row * stride
      softmax(ofLogits: line, count: query + 1)
      var j = query + 1
      while j < visible || j % 16 != 0 {
        line[j] = 0
        j += 1
      }
    }
  }

  /// log₂ e · scale · q·k_j for the first `visible` keys: the order of the products, and the
  /// softmax in powers of two.
  public static func logits(
    query: Span<Float>, keys: Rows, visible: Int, into logits: inout [Float]
  ) {
    query.withUnsafeBufferPointer { query in
      keys.elements.withUnsafeBytes { elements in
        // Rows begin at any element of their buffer.
        let first = elements.baseAddress.map { $0 + keys.firstElement * MemoryLayout<Float>.stride }
        Self.logits(
          query: query,
          keys: .rows(RowMemory(base: first, codec: FloatRows.self, width: keys.width)),
          width: keys.width, held: keys.count, scale: keys.scale, visible: visible, into: &logits)
      }
    }
  }

  private static func logits(
    query: UnsafeBufferPointer<Float>, keys: TokenMemory, width: Int, held: Int, scale: Double,
    visible: Int, into logits: inout [Float]
  ) {
    precondition(
      query.count == width && visible > 0 && visible <= held && visible <= logits.count,
      """
      AttentionWeights: query of \(query.count), keys \(held) x \(width), \(visible) visible, \
      room for \(logits.count)
      """)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { scratch in
      let query = keys.turned(query.baseAddress!, count: 1, into: scratch.baseAddress!)
      logits.withUnsafeMutableBufferPointer { logits in
        keys.multiply(
          DotProducts(
            count: width, scale: BinaryLogits.factor(scale: scale), targetStride: visible),
          vectors: 1, query, slots: 0..<visible, into: logits.baseAddress!)
      }
    }
  }

  /// Replaces a row, sixteen at a time; lanes beyond its end read `padding` and are discarded.
  @inline(__always)
  private static func forVectors(
    _ row: UnsafeMutablePointer<Float>, count: Int, padding: Float,
    _ body: (SIMD16<Float>) -> SIMD16<Float>
  ) {
    var i = 0
    while i &+ 16 <= count {
      storeVector(body(loadVector(row + i)), at: row + i)
      i &+= 16
    }
    guard i < count else { return }
    var last = SIMD16<Float>(repeating: padding)
    for lane in 0..<count &- i { last[lane] = row[i &+ lane] }
    last = body(last)
    for lane in 0..<count &- i { row[i &+ lane] = last[lane] }
  }
}
