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

  /// The index of the largest logit, the lowest on ties; nil if there are none. NaN is never the
  /// largest.
  public static func argmax(_ logits: Span<Float>) -> Int? { top(1, of: logits).first }

  /// The indices of the `count` largest logits, largest first, ties by lower index; all of them if
  /// there are fewer. NaN ranks with −infinity. O(n) for small counts.
  public static func top(_ count: Int, of logits: Span<Float>) -> [Int] {
    var best: [Entry] = []  // ascending: the worst first
    guard count > 0 else { return [] }
    best.reserveCapacity(count + 1)
    logits.withUnsafeBufferPointer { logits in
      for (index, logit) in logits.enumerated() {
        let value = logit.isNaN ? -Float.infinity : logit
        if best.count == count {
          if value <= best[0].value { continue }
          best.removeFirst()
        }
        // An equal entry that is already there has the lower index and ranks above.
        best.insert(Entry(index: index, value: value), at: place(of: value, in: best))
      }
    }
    return best.reversed().map(\.index)
  }

  private struct Entry {
    var index: Int
    var value: Float
  }

  /// The first place whose entry is at least `value`.
  private static func place(of value: Float, in entries: [Entry]) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].value < value { low = middle + 1 } else { high = middle }
    }
    return low
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
