import Records

/// The dropped masses of any number of queries, in a fixed size (10 KB): their count and maximum
/// exactly, their quantiles to 0.4 %.
///
/// Masses are counted in buckets, 128 of equal width from each power of two to the next. A quantile
/// lies in the bucket that the exact one lies in, [a, b), and is given as 2ab / (a + b), at most (b
/// − a) / (a + b) ≤ 1/257 of any value there away. Below 2^-20 (1e-6, which is less than float
/// arithmetic leaves of a mass) there is one bucket, given as 0.
struct DroppedMassSummary: Sendable {
  private static let leastExponent = -20
  /// A bucket is the exponent and the first 7 bits of the significand.
  private static let droppedBits: UInt32 = 23 - 7
  private static let base =
    Float(sign: .plus, exponent: leastExponent, significand: 1)
    .bitPattern >> droppedBits

  /// The first for all that is less than 2^-20, the last for 1.
  private var counts = [UInt32](repeating: 0, count: 128 * -leastExponent + 2)
  private(set) var count = 0
  private(set) var maximum: Float = 0
  private var minimum: Float = 1

  /// Takes in a mass, 0…1; NaN counts as 0.
  mutating func add(_ mass: Double) {
    let mass = mass > 0 ? min(Float(mass), 1) : 0
    let bucket = mass.bitPattern >> Self.droppedBits
    counts[bucket < Self.base ? 0 : Int(bucket - Self.base) + 1] += 1
    count += 1
    maximum = max(maximum, mass)
    minimum = min(minimum, mass)
  }

  /// The value at a share of the way through the sorted masses, 0…1; nil without masses.
  func quantile(_ fraction: Double) -> Double? {
    guard count > 0 else { return nil }
    return Quantile.of(count: count, at: fraction, value: mass(atPlace:))
  }

  /// - Parameter place: in ascending order, below `count`; the last is exact.
  private func mass(atPlace place: Int) -> Double {
    if place == count - 1 { return Double(maximum) }
    var passed = 0
    let bucket = counts.firstIndex { count in
      passed += Int(count)
      return passed > place
    }
    return min(max(Self.mass(ofBucket: bucket ?? 0), Double(minimum)), Double(maximum))
  }

  private static func mass(ofBucket bucket: Int) -> Double {
    guard bucket > 0 else { return 0 }
    let (low, high) = (lowerEnd(ofBucket: bucket), lowerEnd(ofBucket: bucket + 1))
    return 2 * low * high / (low + high)
  }

  private static func lowerEnd(ofBucket bucket: Int) -> Double {
    Double(Float(bitPattern: (base + UInt32(bucket - 1)) << droppedBits))
  }
}
