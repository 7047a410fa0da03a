/// Order statistics of measured values.
enum Quantile {
  /// The value at the place `fraction · (count − 1)` of the ascending order, interpolated between neighbours; nil
  /// without values. `fraction` is in 0…1.
  static func value<Number: BinaryFloatingPoint>(_ fraction: Double, of values: [Number]) -> Double?
  {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let place = fraction * Double(sorted.count - 1)
    let lower = Int(place)
    let upper = min(lower + 1, sorted.count - 1)
    let share = place - Double(lower)
    return Double(sorted[lower]) * (1 - share) + Double(sorted[upper]) * share
  }
}
