/// The running maximum, sum and weighted values of a tile of queries while keys stream past (online softmax).
///
/// After absorbing keys J: maximum m_i = max_J s_ij, sum l_i = Σ_J 2^(s_ij − m_i), accumulator a_i = Σ_J 2^(s_ij − m_i) v_j.
/// Sums are kept in Float with 16 lanes.
struct SoftmaxState {
  let rows: Int
  let dimension: Int
  let logits: UnsafeMutablePointer<Float>
  let accumulator: UnsafeMutablePointer<Float>
  let maxima: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Float>

  mutating func reset() {
    for row in 0..<rows {
      maxima[row] = -.infinity
      sums[row] = 0
    }
    for i in 0..<rows * dimension { accumulator[i] = 0 }
  }

  /// Takes in `count` keys, at most a tile's worth; hidden ones by `mask`.
  mutating func absorb(
    keys: UnsafePointer<Float>, values: UnsafePointer<Float>, count: Int,
    queries: UnsafePointer<Float>, queryStride: Int, mask: TileMask?
  ) {
    let log2e: Float = 1.442_695_04
    BLAS.sgemm(
      transposeA: false, transposeB: true, m: rows, n: count, k: dimension,
      alpha: log2e / Float(dimension).squareRoot(), queries, lda: queryStride, keys,
      ldb: dimension, beta: 0, logits, ldc: AttentionKernel.tileKeys)
    for row in 0..<rows {
      let line = logits + row * AttentionKernel.tileKeys
      mask?.hide(line, row: row)
      let seen = maximum(of: line, count: count, atLeast: maxima[row])
      if seen == -.infinity {
        for i in 0..<count { line[i] = 0 }
        continue
      }
      if seen > maxima[row] {
        let correction = vectorExp2(SIMD16(repeating: maxima[row] - seen))[0]
        sums[row] *= correction
        scale(accumulator + row * dimension, count: dimension, by: correction)
        maxima[row] = seen
      }
      sums[row] += exponentiate(line, count: count, minus: seen)
    }
    BLAS.sgemm(
      transposeA: false, transposeB: false, m: rows, n: dimension, k: count, alpha: 1, logits,
      lda: AttentionKernel.tileKeys, values, ldb: dimension, beta: 1, accumulator,
      ldc: dimension)
  }

  @inline(__always)
  private func maximum(
    of line: UnsafeMutablePointer<Float>, count: Int, atLeast floor: Float
  ) -> Float {
    var best = SIMD16<Float>(repeating: floor)
    var i = 0
    while i &+ 16 <= count {
      let vector = loadVector(line + i)
      best.replace(with: vector, where: vector .> best)
      i &+= 16
    }
    var result = best.max()
    while i < count {
      if line[i] > result { result = line[i] }
      i &+= 1
    }
    return result
  }

  /// Replaces x by 2^(x − maximum) and gives their sum.
  @inline(__always)
  private func exponentiate(
    _ line: UnsafeMutablePointer<Float>, count: Int, minus maximum: Float
  ) -> Float {
    let shift = SIMD16<Float>(repeating: maximum)
    var total = SIMD16<Float>.zero
    var i = 0
    while i &+ 16 <= count {
      let weight = vectorExp2(loadVector(line + i) - shift)
      storeVector(weight, at: line + i)
      total += weight
      i &+= 16
    }
    if i < count {
      var last = SIMD16<Float>(repeating: -.infinity)
      for lane in 0..<count &- i { last[lane] = line[i &+ lane] }
      let weight = vectorExp2(last - shift)
      for lane in 0..<count &- i { line[i &+ lane] = weight[lane] }
      total += weight
    }
    return total.sum()
  }

  @inline(__always)
  private func scale(_ row: UnsafeMutablePointer<Float>, count: Int, by factor: Float) {
    for i in 0..<count { row[i] *= factor }
  }
}
