/// Values at a share of the way through sorted ones.
public enum Quantile {
  /// The value at the place `fraction · (count − 1)` of ascending values, linear between neighbours
  /// (numpy's default).
  ///
  /// - Parameters:
  ///   - count: how many values there are; traps unless at least one.
  ///   - fraction: in 0…1.
  ///   - value: the value at a place, 0 the smallest's.
  public static func of(count: Int, at fraction: Double, value: (Int) -> Double) -> Double {
    precondition(count > 0, "Quantile.of: no values")
    let place = fraction * Double(count - 1)
    let below = Int(place)
    let share = place - Double(below)
    return value(below) * (1 - share) + value(min(below + 1, count - 1)) * share
  }

  /// The same for values in ascending order.
  public static func of(sorted values: [Double], at fraction: Double) -> Double {
    of(count: values.count, at: fraction) { values[$0] }
  }
}

extension [Double] {
  /// The arithmetic mean; nil without values.
  public var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }

  /// The middle value, or the mean of the two middle ones; nil without values.
  public var median: Double? { quantile(0.5) }

  /// See ``Quantile``; nil without values.
  public func quantile(_ fraction: Double) -> Double? {
    isEmpty ? nil : Quantile.of(sorted: sorted(), at: fraction)
  }
}
