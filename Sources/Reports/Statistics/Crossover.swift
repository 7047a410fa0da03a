import Foundation

/// The length from which on a ratio that was measured at several lengths stays below 1, and between which lengths that
/// may be.
public struct Crossover: Sendable, Hashable {
  public var length: Double
  /// From where the lower ends of the ratios' intervals stay below 1 to where the upper ends do: 95 % at each length, so
  /// rather too wide.
  public var interval: Interval

  /// Between two lengths the ratio is a power of the length.
  ///
  /// Nil unless every ratio has an interval, and the ratio and both ends of it pass 1 between two lengths that were
  /// measured, and stay below it.
  /// - Parameter ratios: at ascending lengths.
  init?(_ ratios: [(length: Double, ratio: Spread)]) {
    let intervals = ratios.compactMap { ratio in
      ratio.ratio.interval.map { (ratio.length, $0) }
    }
    guard intervals.count == ratios.count,
      let length = Self.passing(ratios.map { ($0.length, $0.ratio.median) }),
      let low = Self.passing(intervals.map { ($0.0, $0.1.low) }),
      let high = Self.passing(intervals.map { ($0.0, $0.1.high) })
    else { return nil }
    self.length = length
    interval = Interval(low: low, high: high)
  }

  /// Where values pass 1 for the last time, downwards.
  private static func passing(_ values: [(length: Double, value: Double)]) -> Double? {
    guard let before = values.lastIndex(where: { $0.value >= 1 }), before + 1 < values.count
    else { return nil }
    let (one, other) = (values[before], values[before + 1])
    guard one.length > 0, other.length > one.length, other.value > 0 else { return nil }
    let share = log(one.value) / (log(one.value) - log(other.value))
    return exp(log(one.length) + share * (log(other.length) - log(one.length)))
  }
}
