/// Markdown whose tables can also be read as they are, in a terminal or an editor; figures are SVG files beside it.
public struct MarkdownRenderer: ReportRenderer {
  public static let fileExtension = "md"

  public init() {}

  public func render(_ report: Report, to output: inout some TextOutputStream) throws(ReportError) {
    output.write("# \(Self.line(report.title))\n")
    if !report.question.isEmpty { output.write("\n\(Self.line(report.question))\n") }
    if !report.facts.isEmpty { output.write("\n") }
    for fact in report.facts {
      output.write("- \(fact.label): \(Self.line(fact.value))\n")
    }
    for section in report.sections {
      output.write("\n## \(Self.line(section.title))\n")
      for paragraph in section.text { output.write("\n\(Self.line(paragraph))\n") }
      for table in section.tables where !table.rows.isEmpty {
        output.write("\n")
        Self.write(table, to: &output)
      }
      for figure in section.figures {
        output.write("\n![\(Self.alternative(figure.chart.title))](\(figure.fileName))\n")
      }
      if !section.items.isEmpty { output.write("\n") }
      for item in section.items { output.write("- \(Self.line(item))\n") }
    }
    if !report.legend.isEmpty { output.write("\n---\n") }
    for paragraph in report.legend { output.write("\n\(Self.line(paragraph))\n") }
  }

  /// `report.md` and the figures that it shows.
  public func files(of report: Report) throws(ReportError) -> [ReportFile] {
    var text = ""
    try render(report, to: &text)
    return [ReportFile(name: "report.\(Self.fileExtension)", text: text)]
      + report.sections.flatMap(\.figures).map {
        ReportFile(name: $0.fileName, text: SVGChart($0.chart).text)
      }
  }

  /// What stands in for a figure, without the characters that would end it.
  private static func alternative(_ text: String) -> String {
    line(text).filter { !"[]\\".contains($0) }
  }

  private static func write(_ table: ReportTable, to output: inout some TextOutputStream) {
    let headings = table.columns.map { cell($0.heading) }
    let rows = table.rows.map { $0.map(cell) }
    let widths = headings.indices.map { column in
      max(3, ([headings[column]] + rows.map { $0[column] }).map(\.count).max() ?? 0)
    }
    func write(_ cells: [String]) {
      let padded = cells.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - cells[column].count)
        return table.columns[column].isNumeric ? space + cells[column] : cells[column] + space
      }
      output.write("| \(padded.joined(separator: " | ")) |\n")
    }
    write(headings)
    write(
      table.columns.indices.map { column in
        let dashes = String(repeating: "-", count: widths[column] - 1)
        return table.columns[column].isNumeric ? dashes + ":" : dashes + "-"
      })
    for row in rows { write(row) }
  }

  /// A text on one line, so that it cannot end what it stands in.
  private static func line(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ")
  }

  private static func cell(_ text: String) -> String {
    line(text).replacing("|", with: "\\|")
  }
}
