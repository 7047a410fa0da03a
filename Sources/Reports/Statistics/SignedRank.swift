import Foundation

/// The 95 % interval of Wilcoxon's signed ranks for the middle of values that lie symmetrically around it, whatever
/// their distribution. One slow repeat moves the end on its side alone, and by no more than half of what it is off.
///
/// Of the means of all pairs (each value with itself too), in ascending order, it reaches from the k-th to the k-th
/// from above, with the largest k for which P(W < k) ≤ 2.5 %, where W is the sum of the ranks that have a plus sign if
/// both signs are equally likely. With 8 values k = 4, and it covers 96.1 %.
///
/// The logarithms of two times' ratios are such values: exchange the two, and they change their sign.
enum SignedRank {
  /// With fewer values there is no interval.
  static let leastValues = 8
  /// Above this the normal distribution of W is close enough.
  private static let mostExact = 60

  /// Nil for fewer than ``leastValues`` values.
  static func interval(_ values: [Double]) -> Interval? {
    guard values.count >= leastValues else { return nil }
    var means: [Double] = []
    means.reserveCapacity(values.count * (values.count + 1) / 2)
    for (index, one) in values.enumerated() {
      for other in values[index...] { means.append((one + other) / 2) }
    }
    means.sort()
    let rank = rank(values.count)
    return Interval(low: means[rank - 1], high: means[means.count - rank])
  }

  /// k, for so many values.
  static func rank(_ count: Int) -> Int {
    let sums = count * (count + 1) / 2
    if count > mostExact {
      let (mean, n) = (Double(sums) / 2, Double(count))
      let deviation = (n * (n + 1) * (2 * n + 1) / 24).squareRoot()
      return Int(mean - 1.959963984540054 * deviation)
    }
    // How likely each sum of ranks is: one rank after the other, with or without it.
    var probabilities = [1.0] + Array(repeating: 0, count: sums)
    for rank in 1...count {
      for sum in (0...rank * (rank + 1) / 2).reversed() {
        let with = sum >= rank ? probabilities[sum - rank] : 0
        probabilities[sum] = (probabilities[sum] + with) / 2
      }
    }
    var tail = 0.0
    var rank = 0
    while tail + probabilities[rank] <= 0.025 {
      tail += probabilities[rank]
      rank += 1
    }
    return rank
  }
}
