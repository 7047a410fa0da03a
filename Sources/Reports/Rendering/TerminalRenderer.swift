/// The summary as a text of about 120 columns; of a report without one, its sections.
public struct TerminalRenderer: ReportRenderer {
  public let name = "terminal"

  private static let columns = 118

  public init() {}

  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.txt", text: TerminalText.safe(Self.text(of: report)))]
  }

  private static func text(of report: Report) -> String {
    var text = report.title.onOneLine
    if !report.question.isEmpty { text += ": \(report.question.onOneLine)" }
    text += "\n"
    for section in report.summary.map({ [$0] }) ?? report.sections {
      if report.summary == nil { text += "\n\(section.title.onOneLine)\n" }
      guard section.tables.contains(where: { !$0.rows.isEmpty }) else {
        text += "no cells\n"
        continue
      }
      for table in section.tables where !table.rows.isEmpty { text += "\n" + Self.text(of: table) }
      for note in section.text { text += "\n" + wrapped(note, indentation: "") }
      for item in section.items { text += "\n" + wrapped("! " + item, indentation: "  ") }
    }
    return text
  }

  /// With headings of two lines, and what rows have in common above them.
  private static func text(of table: ReportTable) -> String {
    let group = table.columns.firstIndex { $0.kind == .group }
    let shown = table.columns.indices.filter { $0 != group }
    let headings = shown.map { place in
      let parts = table.columns[place].heading.split(
        separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      return parts.count > 1 ? parts.map(String.init) : ["", String(parts[0])]
    }
    let cells = table.rows.map { row in shown.map { Self.text(of: row[$0]) } }
    let numbers = shown.indices.filter { table.columns[shown[$0]].kind == .numbers }
    let lines = TextTable(
      [headings.map { $0[0] }, headings.map { $0[1] }] + cells, rightAligned: Set(numbers)
    ).lines
    var text = lines.prefix(2).map { $0 + "\n" }.joined()
    for (index, line) in lines.dropFirst(2).enumerated() {
      if let group, index == 0 || table.rows[index][group] != table.rows[index - 1][group] {
        text += "\n\(table.rows[index][group].plainText.onOneLine)\n"
      }
      text += line + "\n"
    }
    return text
  }

  /// An interval takes less room as half of its width.
  private static func text(of cell: ReportCell) -> String {
    guard case .number(_, let format) = cell.content,
      case .interval(let interval) = cell.uncertainty
    else { return cell.plainText }
    var cell = cell
    cell.uncertainty = nil
    return cell.plainText + " ±" + format.text((interval.high - interval.low) / 2)
  }

  /// At most 118 columns a line; all but the first begin with the indentation.
  private static func wrapped(_ text: String, indentation: String) -> String {
    var lines: [String] = [""]
    for word in text.onOneLine.split(separator: " ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if last.count + 1 + word.count <= columns {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(indentation + word)
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
