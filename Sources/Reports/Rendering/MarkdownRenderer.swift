import JSON

/// Markdown whose tables can be read as they are, too; figures are SVG files beside it. The answer comes first: its
/// sentences, the figure and the table that fits a screen; where they come from and all else follow.
public struct MarkdownRenderer: ReportRenderer {
  public let name = "markdown"
  /// Rows beyond which a table is left to the other formats: nobody scrolls past them to what follows, and hosts of
  /// repositories show no file of more than half a megabyte.
  public static let mostRows = 100

  public init() {}

  /// `report.md` and the figures that it shows.
  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.md", text: Self.text(of: report))] + SVGRenderer().files(of: report)
  }

  private static func text(of report: Report) -> String {
    var text = "# \(line(report.title))\n"
    if !report.question.isEmpty { text += "\n\(line(report.question))\n" }
    for answer in report.answer {
      text += "\n**\(line(answer.question))**\n" + list(answer.statements)
    }
    if let frontier = report.frontier { text += shown(frontier) }
    if let overview = report.overview { text += shown(overview) }
    if !report.facts.isEmpty {
      // Without an answer above it, a report begins with its facts.
      text += report.answer.isEmpty ? "" : "\n## Where the figures come from\n"
      text += list(report.facts.map { "\($0.label): \($0.value)" })
    }
    for section in report.sections { text += shown(section) }
    if !report.legend.isEmpty { text += "\n---\n" }
    for paragraph in report.legend { text += "\n\(line(paragraph))\n" }
    return text
  }

  private static func shown(_ section: ReportSection) -> String {
    var text = "\n## \(line(section.title))\n"
    for paragraph in section.text { text += "\n\(line(paragraph))\n" }
    for shown in section.tables where !shown.rows.isEmpty { text += "\n" + table(shown) }
    return text + section.figures.map(shown).joined() + list(section.items)
  }

  private static func shown(_ figure: ReportFigure) -> String {
    "\n![\(alternative(figure.chart.title))](\(SVGRenderer.fileName(of: figure)))\n"
  }

  private static func list(_ items: [String]) -> String {
    items.isEmpty ? "" : "\n" + items.map { "- \(line($0))\n" }.joined()
  }

  private static func table(_ table: ReportTable) -> String {
    guard table.rows.count <= mostRows else {
      return
        "A table of \(table.rows.count) rows: on the page, which sorts and filters them, and as data (`report --format html,csv`).\n"
    }
    let cells =
      [table.columns.map { cell($0.heading.onOneLine) }]
      + table.rows.map { $0.map { cell($0.plainText) } }
    var rows = cells.padded(rightAligned: table.rightAligned, atLeast: 3)
    let rule = table.columns.indices.map { column in
      String(repeating: "-", count: rows[0][column].count - 1)
        + (table.columns[column].kind == .numbers ? ":" : "-")
    }
    rows.insert(rule, at: 1)
    return rows.map { "| \($0.joined(separator: " | ")) |\n" }.joined()
  }

  /// What stands in for a figure, without the characters that would end it.
  private static func alternative(_ text: String) -> String {
    text.onOneLine.replacingScalars { "[]\\".unicodeScalars.contains($0) ? "" : nil }
  }

  /// A text on one line, which means itself: no markup, no HTML, no link.
  static func line(_ text: String) -> String {
    var last: Unicode.Scalar = " "
    return text.onOneLine.replacingScalars { scalar in
      defer { last = scalar }
      switch scalar {
      case "\\", "`", "*", "<", "&": return "\\\(scalar)"
      case "(" where last == "]": return "\\("
      default: return nil
      }
    }
  }

  /// The same as a table's cell.
  public static func cell(_ text: String) -> String {
    line(text).replacingScalars { $0 == "|" ? "\\|" : nil }
  }
}
