import Foundation

/// Where values of an axis lie, as a share of its length, and where its ticks are.
struct AxisScale {
  let axis: LineChart.Axis
  let low: Double
  let high: Double
  let ticks: [Double]

  /// Covers all values, with round ends.
  init(_ axis: LineChart.Axis, values: [Double]) {
    self.axis = axis
    let low = values.min() ?? (axis.scale == .linear ? 0 : 1)
    let high = values.max() ?? 1
    let usual = axis.scale == .linear ? Self.linear(low, high) : Self.logarithmic(low, high)
    let range =
      axis.ticks == nil ? (usual.low, usual.high) : Self.around(low, high, axis.scale)
    self.low = range.0
    self.high = range.1
    ticks = (axis.ticks ?? usual.ticks).filter {
      range.0...range.1 ~= $0 && (axis.scale == .linear || $0 > 0)
    }
  }

  /// In 0…1.
  func share(_ value: Double) -> Double {
    switch axis.scale {
    case .linear: (value - low) / (high - low)
    case .logarithmic: (log(value) - log(low)) / (log(high) - log(low))
    }
  }

  /// `2,048`, `0.05`, `1e-05`.
  func text(_ tick: Double) -> String {
    if tick == 0 { return "0" }
    if abs(tick) >= 1, abs(tick) < 1e7, tick == tick.rounded() {
      return NumberFormat.count(Int(tick))
    }
    // Ticks are round, but for the last bits of their sums.
    return String(format: "%.6g", tick)
  }

  /// A little beyond the values, for ticks that are given.
  private static func around(
    _ low: Double, _ high: Double, _ scale: LineChart.Axis.Scale
  ) -> (low: Double, high: Double) {
    switch scale {
    case .linear:
      let space = high > low ? 0.05 * (high - low) : max(1, abs(high) / 2)
      return (low - space, high + space)
    case .logarithmic:
      let space = high > low ? pow(high / low, 0.05) : 2
      return (low / space, high * space)
    }
  }

  /// From 0 where no value is below; steps of 1, 2 or 5 times a power of ten.
  private static func linear(
    _ low: Double, _ high: Double
  ) -> (low: Double, high: Double, ticks: [Double]) {
    let first = min(0, low)
    let span = high > first ? high - first : 1
    let rough = span / 5
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * (1 - 1e-9) } ?? rough
    let start = Int((first / step).rounded(.down))
    let end = max(start + 1, Int((max(high, first) / step - 1e-9).rounded(.up)))
    let ticks = (start...end).map { Double($0) * step }
    return (ticks[0], ticks[ticks.count - 1], ticks)
  }

  /// Between powers of ten; where there are few of those, 2 and 5 times them too.
  private static func logarithmic(
    _ low: Double, _ high: Double
  ) -> (low: Double, high: Double, ticks: [Double]) {
    let first = Int(floor(log10(low) + 1e-9))
    let last = max(first + 1, Int(ceil(log10(high) - 1e-9)))
    let powers = (first...last).map { pow(10, Double($0)) }
    if powers.count > 4 {
      // Every so many powers, so that their texts have room.
      let step = (powers.count + 9) / 10
      let ticks = stride(from: 0, to: powers.count, by: step).map { powers[$0] }
      return (powers[0], powers[powers.count - 1], ticks)
    }
    let fine = powers.flatMap { [$0, 2 * $0, 5 * $0] }
    let start = fine.last { $0 <= low * (1 + 1e-9) } ?? fine[0]
    let end = fine.first { $0 >= high * (1 - 1e-9) && $0 > start } ?? fine[fine.count - 1]
    return (start, end, fine.filter { start...end ~= $0 })
  }
}
