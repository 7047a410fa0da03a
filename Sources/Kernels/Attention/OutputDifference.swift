import Foundation

/// The difference between two runs: rows of attention output, and rows of logits.
public enum OutputDifference {
  /// Sums over one pair of rows, output and reference.
  ///
  /// Sixteen Float lanes a row, so within about 1e-6 of the exact sums; add rows up in Double.
  public struct RowSums: Sendable, Hashable {
    /// Σ (o − r)²
    public var squaredDifference: Double
    /// Σ |o − r|
    public var absoluteDifference: Double
    /// Σ o²
    public var squaredOutput: Double
    /// Σ r²
    public var squaredReference: Double
    /// Σ o r
    public var product: Double
  }

  /// Compares two rows of the same length; traps if they differ in length. NaN in either gives NaN.
  public static func sums(_ output: Span<Float>, _ reference: Span<Float>) -> RowSums {
    precondition(
      output.count == reference.count,
      "OutputDifference.sums: \(output.count) and \(reference.count) elements")
    var difference = SIMD16<Float>.zero
    var absolute = SIMD16<Float>.zero
    var ofOutput = SIMD16<Float>.zero
    var ofReference = SIMD16<Float>.zero
    var product = SIMD16<Float>.zero
    output.withUnsafeBufferPointer { output in
      reference.withUnsafeBufferPointer { reference in
        forVectors(output, reference, padding: 0) { o, r in
          let d = o - r
          difference.addProduct(d, d)
          absolute += d.magnitudes
          ofOutput.addProduct(o, o)
          ofReference.addProduct(r, r)
          product.addProduct(o, r)
        }
      }
    }
    return RowSums(
      squaredDifference: Double(difference.sum()), absoluteDifference: Double(absolute.sum()),
      squaredOutput: Double(ofOutput.sum()), squaredReference: Double(ofReference.sum()),
      product: Double(product.sum()))
  }

  /// ‖row‖₁, sixteen Float lanes.
  public static func absoluteSum(_ row: Span<Float>) -> Float {
    var total = SIMD16<Float>.zero
    row.withUnsafeBufferPointer { row in
      forVectors(row, row, padding: 0) { value, _ in total += value.magnitudes }
    }
    return total.sum()
  }

  /// How two rows of logits differ in the next token that they predict.
  public struct Divergence: Sendable, Hashable {
    /// ln Σ_i e^logits[i] of either row.
    public var logSumExp: Double
    public var referenceLogSumExp: Double
    /// KL(reference ‖ logits) = Σ_i p_i (ln p_i − ln q_i) in nats, p and q the softmax of reference
    /// and logits.
    public var kullbackLeibler: Double
    /// Whether both have their largest logit at the same index (the first, on ties).
    public var agreesOnLargest: Bool
  }

  /// Compares two rows of logits; traps if they differ in length or are empty. NaN in either gives
  /// NaN.
  ///
  /// With maxima m, exponentials e_i = e^(r_i − m_r), f_i = e^(l_i − m_l) and their sums Z_e, Z_f:
  ///
  ///     KL = Σ_i e_i ((r_i − m_r) − (l_i − m_l)) / Z_e − ln(Z_e / Z_f)
  ///
  /// which cancels before it is summed where the rows are alike. Sums are in Float for 1,024
  /// entries at a time, then in Double: good to about 1e-7 nats. Rounding may leave a KL just below
  /// 0; it is given as 0.
  public static func divergence(
    of logits: Span<Float>, from reference: Span<Float>
  ) -> Divergence {
    precondition(
      logits.count == reference.count && !logits.isEmpty,
      "OutputDifference.divergence: \(logits.count) and \(reference.count) logits")
    return logits.withUnsafeBufferPointer { logits in
      reference.withUnsafeBufferPointer { reference in
        let top = largest(logits)
        let referenceTop = largest(reference)
        let shift = SIMD16<Float>(repeating: top.value)
        let referenceShift = SIMD16<Float>(repeating: referenceTop.value)
        var sum = 0.0
        var referenceSum = 0.0
        var weighted = 0.0
        var begin = 0
        while begin < logits.count {
          let end = min(begin + 1024, logits.count)
          var lanes = SIMD16<Float>.zero
          var referenceLanes = SIMD16<Float>.zero
          var weightedLanes = SIMD16<Float>.zero
          let chunk = UnsafeBufferPointer(rebasing: logits[begin..<end])
          let referenceChunk = UnsafeBufferPointer(rebasing: reference[begin..<end])
          // The padding is finite, so that its weight of 0 counts for nothing.
          forVectors(chunk, referenceChunk, padding: -1e30) { l, r in
            let l = l - shift
            let r = r - referenceShift
            let weight = vectorExp(r)
            lanes += vectorExp(l)
            referenceLanes += weight
            weightedLanes.addProduct(weight, r - l)
          }
          sum += Double(lanes.sum())
          referenceSum += Double(referenceLanes.sum())
          weighted += Double(weightedLanes.sum())
          begin = end
        }
        let kl = weighted / referenceSum - log(referenceSum / sum)
        return Divergence(
          logSumExp: Double(top.value) + log(sum),
          referenceLogSumExp: Double(referenceTop.value) + log(referenceSum),
          kullbackLeibler: kl < 0 ? 0 : kl, agreesOnLargest: top.index == referenceTop.index)
      }
    }
  }

  /// The largest entry and its first place; the value is NaN if one entry is.
  private static func largest(
    _ row: UnsafeBufferPointer<Float>
  ) -> (value: Float, index: Int) {
    var best = SIMD16<Float>(repeating: -.infinity)
    var poison = SIMD16<Float>.zero
    forVectors(row, row, padding: -.infinity) { vector, _ in
      best.replace(with: vector, where: vector .> best)
      poison.replace(with: vector, where: vector .!= vector)
    }
    guard !poison.sum().isNaN else { return (.nan, 0) }
    let value = best.max()
    return (value, row.firstIndex(of: value) ?? 0)
  }

  /// Both rows sixteen at a time; what lies beyond their end reads `padding`.
  @inline(__always)
  private static func forVectors(
    _ left: UnsafeBufferPointer<Float>, _ right: UnsafeBufferPointer<Float>, padding: Float,
    _ body: (SIMD16<Float>, SIMD16<Float>) -> Void
  ) {
    let count = left.count
    guard let a = left.baseAddress, let b = right.baseAddress else { return }
    var i = 0
    while i &+ 16 <= count {
      body(loadVector(a + i), loadVector(b + i))
      i &+= 16
    }
    guard i < count else { return }
    var lastA = SIMD16<Float>(repeating: padding)
    var lastB = SIMD16<Float>(repeating: padding)
    for lane in 0..<count &- i {
      lastA[lane] = a[i &+ lane]
      lastB[lane] = b[i &+ lane]
    }
    body(lastA, lastB)
  }
}
