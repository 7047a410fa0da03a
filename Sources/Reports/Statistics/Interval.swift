/// A 95 % interval, or a range between quartiles.
public struct Interval: Codable, Sendable, Hashable {
  public var low: Double
  public var high: Double

  public func contains(_ value: Double) -> Bool { low <= value && value <= high }

  /// Both ends through an increasing function.
  func map(_ transform: (Double) -> Double) -> Interval {
    Interval(low: transform(low), high: transform(high))
  }
}
