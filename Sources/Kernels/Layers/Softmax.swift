import Foundation

/// The log-sum-exp and the largest entries of a row of logits.
public enum Softmax {
  /// ln Σ_i e^logits[i], −infinity if there are none or all are −infinity; NaN if one is NaN.
  ///
  /// The maximum is subtracted first; exponentials are added in Float with 16 lanes for 1,024
  /// entries at a time, those sums in Double: within 1e-6 of the exact value.
  public static func logSumExp(_ logits: Span<Float>) -> Double {
    logits.withUnsafeBufferPointer { logits in
      let maximum = maximum(of: logits)
      guard maximum.isFinite else { return Double(maximum) }
      let shift = SIMD16<Float>(repeating: maximum)
      var total = 0.0
      var begin = 0
      while begin < logits.count {
        let end = min(begin + 1024, logits.count)
        var lanes = SIMD16<Float>.zero
        var i = begin
        while i &+ 16 <= end {
          lanes += vectorExp(loadVector(logits.baseAddress! + i) - shift)
          i &+= 16
        }
        if i < end {
          var last = SIMD16<Float>(repeating: -.infinity)
          for lane in 0..<end &- i { last[lane] = logits[i &+ lane] - maximum }
          lanes += vectorExp(last)
        }
        total += Double(lanes.sum())
        begin = end
      }
      return Double(maximum) + log(total)
    }
  }

  /// The index of the largest logit, the lowest of several; nil if there are none. NaN is never the largest.
  public static func argmax(_ logits: Span<Float>) -> Int? {
    guard !logits.isEmpty else { return nil }
    var best = 0
    var largest = -Float.infinity
    for index in 0..<logits.count where logits[index] > largest {
      best = index
      largest = logits[index]
    }
    return best
  }

  /// The indices of the `count` largest logits, largest first, equal ones by lower index; all of them if there are
  /// fewer. NaN ranks with −infinity. O(n log n) whatever the count.
  public static func top(_ count: Int, of logits: Span<Float>) -> [Int] {
    let values = (0..<logits.count).map { logits[$0].isNaN ? -Float.infinity : logits[$0] }
    let order = values.indices.sorted {
      values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1
    }
    return Array(order.prefix(max(0, count)))
  }

  /// NaN if one is NaN, −infinity if there are none.
  private static func maximum(of logits: UnsafeBufferPointer<Float>) -> Float {
    var best = SIMD16<Float>(repeating: -.infinity)
    var sum = SIMD16<Float>.zero
    var i = 0
    while i &+ 16 <= logits.count {
      let vector = loadVector(logits.baseAddress! + i)
      best.replace(with: vector, where: vector .> best)
      sum.replace(with: vector, where: vector .!= vector)
      i &+= 16
    }
    var result = best.max()
    if sum.sum().isNaN { return .nan }
    while i < logits.count {
      if logits[i].isNaN { return .nan }
      result = Swift.max(result, logits[i])
      i &+= 1
    }
    return result
  }
}
