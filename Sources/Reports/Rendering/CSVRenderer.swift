import JSON

/// Comma-separated values (RFC 4180): a file for each data table, with exact numbers.
public struct CSVRenderer: ReportRenderer {
  public let name = "csv"

  public init() {}

  public func files(of report: Report) -> [ReportFile] {
    report.data.map { table in
      let lines = [table.columns.map(Self.quoted)] + table.rows.map { $0.map(Self.field) }
      return ReportFile(
        name: Self.fileName(of: table),
        text: lines.map { $0.joined(separator: ",") + "\n" }.joined())
    }
  }

  static func fileName(of table: DataTable) -> String { "\(table.name).csv" }

  private static func field(_ value: DataTable.Value) -> String {
    switch value {
    case .text(let text): quoted(text)
    case .integer(let value): String(value)
    case .number(let value):
      value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
    case .missing: ""
    }
  }

  /// By scalars: a quotation mark with an accent behind it is a `Character` of its own.
  private static func quoted(_ text: String) -> String {
    let scalars = text.unicodeScalars
    guard scalars.contains(where: { ",\"\n\r".unicodeScalars.contains($0) }) else { return text }
    return "\"" + text.replacingScalars { $0 == "\"" ? "\"\"" : nil } + "\""
  }
}
