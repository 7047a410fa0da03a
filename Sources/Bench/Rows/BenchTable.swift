import Foundation

/// The rows of a bench as cells of a table: one line for each reference of a row, the deciding one
/// first.
public struct BenchTable {
  public static let header = [
    "row", "value", "±", "unit", "better", "reference", "its value", "ratio", "target", "verdict",
  ]
  /// Columns of numbers.
  public static let rightAligned: Set<Int> = [1, 2, 6, 7, 8]

  private let rows: [BenchRow]

  public init(_ rows: [BenchRow]) { self.rows = rows }

  public var cells: [[String]] { rows.flatMap(lines) }

  private func lines(of row: BenchRow) -> [[String]] {
    let deciding = row.decidingReference
    let others = row.references.filter { $0 != deciding }
    let head = [
      row.name.rawValue, Self.text(row.value), row.spread.map { Self.percent($0) } ?? "",
      row.name.unit, row.name.better.rawValue,
    ]
    let blank = Array(repeating: "", count: head.count)
    let references: [BenchReference?] = [deciding] + others.map { $0 }
    return references.enumerated().map { index, reference in
      let verdict = index == 0 ? row.verdict.rawValue : reached(row, reference)
      return (index == 0 ? head : blank) + columns(row, reference) + [verdict]
    }
  }

  private func columns(_ row: BenchRow, _ reference: BenchReference?) -> [String] {
    guard let reference else { return ["–", "–", "–", "–"] }
    return [
      reference.name, reference.value.map(Self.text) ?? "not measured",
      row.ratio(to: reference).map(Self.ratio) ?? "–", reference.target.map(Self.ratio) ?? "–",
    ]
  }

  private func reached(_ row: BenchRow, _ reference: BenchReference?) -> String {
    guard let reference, let margin = row.margin(to: reference) else { return "" }
    return margin >= 1 ? "(reached)" : "(missed)"
  }

  /// Four significant digits: `1,898` is `1898`, a millisecond of seconds `0.001000`.
  static func text(_ value: Double) -> String {
    guard value.isFinite else { return "–" }
    if value == 0 { return "0" }
    let digits = Int(log10(abs(value)).rounded(.down))
    return String(format: "%.\(min(max(3 - digits, 0), 9))f", value)
  }

  static func ratio(_ value: Double) -> String { String(format: "%.3f", value) }

  static func percent(_ fraction: Double) -> String { String(format: "%.1f %%", fraction * 100) }
}
