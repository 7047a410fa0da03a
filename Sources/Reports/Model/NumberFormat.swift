import Foundation

/// How a number looks in reports, the same on every machine.
public enum NumberFormat: Sendable, Hashable {
  /// So many decimals: `12.30`.
  case fixed(Int)
  /// With a sign where it is not zero: `+0.012`, `-0.012`, `0.000`.
  case signed(Int)
  /// Three significant digits: `0.0912`, `12.3`, `1.23e-05`.
  case significant
  /// A whole number: `2,048`.
  case count
  /// Of bytes, with two decimals.
  case mebibytes
  /// Of seconds: `12.3`; below one, where a decimal says too little, `0.0523`.
  case milliseconds

  /// What stands for a number that was not measured or does not exist.
  public static let missing = "–"

  /// The unit that the text is in, where the format decides it; "" where it is the number's own.
  public var unit: String {
    switch self {
    case .mebibytes: "MiB"
    case .milliseconds: "ms"
    default: ""
    }
  }

  /// The number in ``unit``.
  public func scaled(_ value: Double) -> Double {
    switch self {
    case .mebibytes: value / 1_048_576
    case .milliseconds: value * 1000
    default: value
    }
  }

  public func text(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return Self.missing }
    switch self {
    case .fixed(let decimals):
      let text = String(format: "%.\(decimals)f", value)
      let isZero = text.utf8.allSatisfy { "-0.".utf8.contains($0) }
      return isZero && text.hasPrefix("-") ? String(text.dropFirst()) : text
    case .signed(let decimals):
      let text = Self.fixed(decimals).text(value)
      return value > 0 && text.utf8.contains { !"0.".utf8.contains($0) } ? "+" + text : text
    case .significant:
      if value == 0 { return "0" }
      let text = String(format: "%#.3g", value)
      return text.hasSuffix(".") ? String(text.dropLast()) : text
    case .count: return Int(exactly: value).map(Self.count) ?? Self.missing
    case .mebibytes: return Self.fixed(2).text(scaled(value))
    case .milliseconds:
      return (abs(value) < 0.001 ? Self.significant : .fixed(1)).text(scaled(value))
    }
  }

  /// `[0.98, 1.03]`
  func text(_ interval: Interval) -> String { "[\(text(interval.low)), \(text(interval.high))]" }

  /// `2,048`
  static func count(_ value: Int) -> String {
    var text = String(value.magnitude)
    var place = text.count - 3
    while place > 0 {
      text.insert(",", at: text.index(text.startIndex, offsetBy: place))
      place -= 3
    }
    return value < 0 ? "-" + text : text
  }

  /// `1 token`, `2,048 tokens`; of words that take more than an s the plural is given.
  static func counted(_ value: Int, _ noun: String, plural: String? = nil) -> String {
    "\(count(value)) \(value == 1 ? noun : plural ?? noun + "s")"
  }
}
