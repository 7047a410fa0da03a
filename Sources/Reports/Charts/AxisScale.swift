import Foundation

/// Where values of an axis lie, as a share of its length, and where its ticks are. It begins and ends a little beyond the
/// data, not at round numbers, so that the data fill it.
struct AxisScale {
  enum Kind: Sendable, Hashable {
    case linear, logarithmic
    /// asinh(value / linearBelow): linear around 0, logarithmic on both sides of it.
    case signedLogarithmic(linearBelow: Double)

    /// Increasing; values that the axis cannot show have none.
    fileprivate func place(_ value: Double) -> Double? {
      guard value.isFinite else { return nil }
      switch self {
      case .linear: return value
      case .logarithmic: return value > 0 ? log(value) : nil
      case .signedLogarithmic(let bound):
        let scaled = value / bound
        return scaled.isFinite ? asinh(scaled) : nil
      }
    }

    func canShow(_ value: Double) -> Bool { place(value) != nil }
  }

  let kind: Kind
  private let low: Double
  private let high: Double
  /// Ascending.
  let ticks: [Double]

  /// - Parameters:
  ///   - values: of the marks; they fill half of the axis or more.
  ///   - intervals: shown as far as that leaves room.
  ///   - ticks: if the usual ones won't do.
  init(_ kind: Kind, values: [Double], intervals: [Interval] = [], ticks: [Double]? = nil) {
    self.kind = kind
    let places = values.compactMap(kind.place)
    let first = places.min() ?? 0
    let last = places.max() ?? (places.min() ?? 0)
    let ends = intervals.flatMap { [$0.low, $0.high] }.compactMap(kind.place)
    // Of single values as far as their intervals reach.
    let most = last > first ? 0.38 * (last - first) : .infinity
    let from = max(first - most, min(first, ends.min() ?? first))
    let to = min(last + most, max(last, ends.max() ?? last))
    let space = to > from ? 0.06 * (to - from) : kind == .linear ? max(abs(to) / 2, 0.5) : 0.7
    let (low, high) = (from - space, to + space)
    self.low = low
    self.high = high
    let usual = ticks ?? Self.ticks(kind, low, high)
    self.ticks = usual.filter { kind.place($0).map { low...high ~= $0 } ?? false }
  }

  /// 0…1 on the axis; beyond it outside of that, and at its end for what it cannot show.
  func share(_ value: Double) -> Double {
    guard let place = kind.place(value) else { return value > 0 ? 1 : 0 }
    return (place - low) / (high - low)
  }

  /// `2,048`, `0.05`, `1e-05`.
  static func text(_ tick: Double) -> String {
    if tick == 0 { return "0" }
    if abs(tick) >= 1, abs(tick) < 1e7, tick == tick.rounded() {
      return NumberFormat.count(Int(tick))
    }
    // Ticks are round, but for the last bits of their sums.
    return String(format: "%.6g", tick)
  }

  // MARK: - Ticks

  /// How far apart ticks are at least, as a share of the axis.
  private static let leastGap = 0.07

  private static func ticks(_ kind: Kind, _ low: Double, _ high: Double) -> [Double] {
    switch kind {
    case .linear: linear(low, high)
    case .logarithmic: logarithmic(low, high)
    case .signedLogarithmic(let bound): signed(bound, low, high)
    }
  }

  /// Steps of 1, 2 or 5 times a power of ten.
  private static func linear(_ low: Double, _ high: Double) -> [Double] {
    let rough = (high - low) / 5
    let power = pow(10, floor(log10(rough)))
    let step = [1, 2, 5, 10].map { $0 * power }.first { $0 >= rough * (1 - 1e-9) } ?? rough
    let (start, end) = ((low / step).rounded(.up), (high / step).rounded(.down))
    guard start <= end, abs(start) < 1e15, abs(end) < 1e15 else { return [] }
    return (Int(start)...Int(end)).map { Double($0) * step }
  }

  /// 1, 2 and 5 times powers of ten, or only the powers, of many every few; as on a linear axis where that leaves too few.
  private static func logarithmic(_ low: Double, _ high: Double) -> [Double] {
    let (first, last) = (Int(floor(low / log(10))), Int(ceil(high / log(10))))
    let powers = (first...last).map { pow(10, Double($0)) }
    func inside(_ ticks: [Double]) -> [Double] { ticks.filter { low...high ~= log($0) } }
    let fine = inside(powers.flatMap { [$0, 2 * $0, 5 * $0] })
    if fine.count < 3 { return linear(exp(low), exp(high)).filter { $0 > 0 } }
    if fine.count <= 9 { return fine }
    let coarse = inside(powers)
    let step = (coarse.count + 8) / 9
    return stride(from: 0, to: coarse.count, by: step).map { coarse[$0] }
  }

  /// 0 and, going outwards on both sides, powers of ten, then what has room of 2 and 5 times them.
  private static func signed(_ bound: Double, _ low: Double, _ high: Double) -> [Double] {
    // Beyond 700 there is no number.
    func value(_ place: Double) -> Double { bound * sinh(max(-700, min(700, place))) }
    let most = max(abs(value(low)), abs(value(high)))
    let least = min(most, bound)
    let powers = (Int(floor(log10(least))) - 1...Int(ceil(log10(most)))).map {
      pow(10, Double($0))
    }
    var kept: [Double] = []
    for size in [0] + powers.reversed() + powers.reversed().flatMap({ [5 * $0, 2 * $0] }) {
      for tick in size == 0 ? [0] : [size, -size] {
        let place = asinh(tick / bound)
        let isFree = kept.allSatisfy {
          abs(asinh($0 / bound) - place) >= leastGap * (high - low)
        }
        if isFree, low...high ~= place { kept.append(tick) }
      }
    }
    return kept.count > 1 ? kept.sorted() : linear(value(low), value(high))
  }
}
