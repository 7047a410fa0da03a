/// Comma-separated values (RFC 4180): a file for each data table, exact numbers, empty fields for what does not exist.
///
/// Into one stream goes the first table alone, `comparison`.
public struct CSVRenderer: ReportRenderer {
  public static let fileExtension = "csv"

  public init() {}

  public func render(_ report: Report, to output: inout some TextOutputStream) throws(ReportError) {
    if let table = report.data.first { output.write(Self.text(of: table)) }
  }

  public func files(of report: Report) throws(ReportError) -> [ReportFile] {
    report.data.map {
      ReportFile(name: "\($0.name).\(Self.fileExtension)", text: Self.text(of: $0))
    }
  }

  private static func text(of table: DataTable) -> String {
    var text = table.columns.map(quoted).joined(separator: ",") + "\n"
    for row in table.rows {
      text += row.map(field).joined(separator: ",") + "\n"
    }
    return text
  }

  private static func field(_ value: DataTable.Value) -> String {
    switch value {
    case .text(let text): quoted(text)
    case .integer(let value): String(value)
    case .number(let value):
      value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
    case .missing: ""
    }
  }

  private static func quoted(_ text: String) -> String {
    let needsQuotes = text.unicodeScalars.contains { ",\"\n\r".unicodeScalars.contains($0) }
    return needsQuotes ? "\"\(text.replacing("\"", with: "\"\""))\"" : text
  }
}
