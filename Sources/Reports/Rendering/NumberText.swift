import Foundation

/// How numbers look in reports: the same on every machine, "–" for what does not exist.
enum NumberText {
  static let missing = "–"

  /// `12.30`
  static func fixed(_ value: Double?, _ decimals: Int) -> String {
    guard let value, !value.isNaN else { return missing }
    let text = String(format: "%.\(decimals)f", value)
    return text.hasPrefix("-") && text.allSatisfy({ "-0.".contains($0) })
      ? String(text.dropFirst()) : text
  }

  /// `+0.012`, `-0.012`, `0.000`
  static func signed(_ value: Double?, _ decimals: Int) -> String {
    guard let value, !value.isNaN else { return missing }
    let text = fixed(value, decimals)
    return value > 0 && text.contains(where: { $0 != "0" && $0 != "." }) ? "+" + text : text
  }

  /// Three significant digits: `0.0912`, `12.3`, `1.23e-05`.
  static func significant(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return missing }
    if value == 0 { return "0" }
    let text = String(format: "%#.3g", value)
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }

  /// `2,048`
  static func count(_ value: Int) -> String {
    let digits = Array(String(abs(value)))
    var text = ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
      text.append(digit)
    }
    return value < 0 ? "-" + text : text
  }

  static func count(_ value: Double?) -> String {
    value.flatMap { Int(exactly: $0) }.map { count($0) } ?? missing
  }

  static func mebibytes(_ bytes: Double?) -> String {
    fixed(bytes.map { $0 / 1_048_576 }, 2)
  }

  /// `12.3`; below one, where a decimal says too little, `0.0523`.
  static func milliseconds(_ seconds: Double?) -> String {
    guard let seconds, abs(seconds) < 0.001 else { return fixed(seconds.map { $0 * 1000 }, 1) }
    return significant(seconds * 1000)
  }

  /// `[0.98, 1.03]`, or "" where there is none.
  static func interval(_ interval: Interval?, _ text: (Double) -> String) -> String {
    interval.map { "[\(text($0.low)), \(text($0.high))]" } ?? ""
  }

  /// `0.712 (0.700–0.731)`: the median and the quartiles.
  static func spread(_ spread: Spread?, _ text: (Double) -> String) -> String {
    guard let spread else { return missing }
    if spread.count == 1 { return text(spread.median) }
    return "\(text(spread.median)) (\(text(spread.lowerQuartile))–\(text(spread.upperQuartile)))"
  }

  /// A figure and its interval, the latter only where there is one.
  static func with(_ value: String, _ interval: String) -> String {
    interval.isEmpty ? value : "\(value) \(interval)"
  }
}
