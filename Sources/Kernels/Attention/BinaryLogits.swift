import Foundation
import Tensors

/// Logits in units of log 2, as the kernels hold them: a softmax is then a matter of powers of two.
enum BinaryLogits {
  /// What a product q·k is multiplied by to give its logit, of keys with an attention scale.
  static func factor(scale: Double) -> Float { Float(1.442_695_040_888_963_4 * scale) }

  /// ln(2^maximum · sum): the natural log-sum-exp; −infinity for a sum of nothing.
  static func logSumExp(maximum: Float, sum: Double) -> Float {
    sum > 0 ? Float((Double(maximum) + log2(sum)) * 0.693_147_180_559_945_3) : -.infinity
  }

  /// The largest of some logits, and what all weigh beside it.
  struct Mass {
    var maximum: Float
    /// Of 2^(logit − maximum).
    var sum: Float
  }

  /// Writes 2^(logit − maximum).
  ///
  /// - Parameter count: whole 16s.
  @inline(__always)
  static func exponentiate(
    _ line: UnsafePointer<Float>, count: Int, into weights: UnsafeMutablePointer<Float>
  ) -> Mass {
    var best = SIMD16<Float>(repeating: -.infinity)
    var i = 0
    while i < count {
      best = best.orLarger(loadVector(line + i))
      i &+= 16
    }
    let maximum = best.laneMaximum
    let shift = SIMD16<Float>(repeating: maximum == -.infinity ? 0 : maximum)
    var total = SIMD16<Float>.zero
    i = 0
    while i < count {
      let exponentials = vectorExp2OfNegative(loadVector(line + i) - shift)
      storeVector(exponentials, at: weights + i)
      total += exponentials
      i &+= 16
    }
    return Mass(maximum: maximum, sum: total.laneSum)
  }

  /// Replaces logits by 2^(logit − maximum).
  ///
  /// - Parameter count: whole 16s.
  /// - Returns: the maximum and the sum of the replaced; −infinity and 0 where every logit is
  ///   −infinity.
  @inline(__always)
  static func exponentiate(_ line: UnsafeMutablePointer<Float>, count: Int) -> Mass {
    exponentiate(line, count: count, into: line)
  }
}
