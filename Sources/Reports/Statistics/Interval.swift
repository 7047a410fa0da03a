/// A 95 % interval.
public struct Interval: Codable, Sendable, Hashable {
  public var low: Double
  public var high: Double

  public init(low: Double, high: Double) {
    self.low = low
    self.high = high
  }

  public func contains(_ value: Double) -> Bool { low <= value && value <= high }

  /// Both ends through an increasing function.
  func map(_ transform: (Double) -> Double) -> Interval {
    Interval(low: transform(low), high: transform(high))
  }
}

enum Quantile {
  /// The value at `fraction` of sorted values, linear between neighbours (numpy's default); traps unless there is one.
  static func of(sorted values: [Double], at fraction: Double) -> Double {
    precondition(!values.isEmpty, "Quantile.of: no values")
    let position = fraction * Double(values.count - 1)
    let below = Int(position)
    guard below + 1 < values.count else { return values[values.count - 1] }
    return values[below] + (position - Double(below)) * (values[below + 1] - values[below])
  }
}
