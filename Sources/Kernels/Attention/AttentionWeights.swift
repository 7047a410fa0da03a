import Tensors

/// Rows of the attention matrix for few queries: what strategies and calibration look at.
public enum AttentionWeights {
  /// The softmax of one query over the first `visible` keys: s_j = exp(q·k_j/√d) / Σ_j' exp(q·k_j'/√d).
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

  /// q·k_j/√d · log₂ e for the first `visible` keys.
  static func logits(
    query: Span<Float>, keys: Rows, visible: Int, into logits: inout [Float]
  ) {
    let d = keys.width
    precondition(
      query.count == d && visible > 0 && visible <= keys.count && visible <= logits.count,
      "AttentionWeights: query of \(query.count), keys \(keys.count) x \(d), \(visible) visible, room for \(logits.count)"
    )
    let scale = 1.442_695_04 / Float(d).squareRoot()
    query.withUnsafeBufferPointer { query in
      keys.elements.withUnsafeBufferPointer { elements in
        logits.withUnsafeMutableBufferPointer { logits in
          DotProducts(count: d, scale: scale, targetStride: visible).multiply(
            vectors: 1, query.baseAddress!, rows: visible,
            elements.baseAddress! + keys.firstElement, into: logits.baseAddress!)
        }
      }
    }
  }

  /// Replaces a row, sixteen at a time; lanes beyond its end read `padding` and are thrown away.
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
