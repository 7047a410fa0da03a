/// The summary as a text of about 120 columns; of a report without one, its facts, sections and legend.
public struct TerminalRenderer: ReportRenderer {
  public let name = "terminal"

  private let columns: Int
  /// Both ends of an interval; else half of its width, which takes less room.
  private let showsIntervals: Bool

  /// - Parameter columns: where running text is broken; tables are as wide as they are.
  public init(columns: Int = 118, showsIntervals: Bool = false) {
    self.columns = columns
    self.showsIntervals = showsIntervals
  }

  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.txt", text: TerminalText.safe(text(of: report)))]
  }

  private func text(of report: Report) -> String {
    var text = report.title.onOneLine
    if !report.question.isEmpty { text += ": \(report.question.onOneLine)" }
    text += "\n"
    if let summary = report.summary {
      let isEmpty = summary.tables.allSatisfy(\.rows.isEmpty)
      return text + (isEmpty ? "no cells\n" : body(of: summary, bullet: "! "))
    }
    for (label, value) in report.facts { text += wrapped("\(label): \(value)", indentation: "   ") }
    for section in report.sections {
      text += "\n\(section.title.onOneLine)\n" + body(of: section, bullet: "- ")
    }
    for paragraph in report.legend { text += "\n" + wrapped(paragraph, indentation: "") }
    return text
  }

  private func body(of section: ReportSection, bullet: String) -> String {
    var text = ""
    for table in section.tables where !table.rows.isEmpty { text += "\n" + self.text(of: table) }
    for note in section.text { text += "\n" + wrapped(note, indentation: "") }
    for item in section.items { text += "\n" + wrapped(bullet + item, indentation: "  ") }
    return text
  }

  /// With headings of two lines, and what rows have in common above them.
  private func text(of table: ReportTable) -> String {
    let groups = table.columns.indices.filter { table.columns[$0].kind == .group }
    let shown = table.columns.indices.filter { table.columns[$0].kind != .group }
    let headings = shown.map { place in
      let parts = table.columns[place].heading.split(
        separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      return parts.count > 1 ? parts.map(String.init) : ["", String(parts[0])]
    }
    let cells = table.rows.map { row in shown.map { self.text(of: row[$0]) } }
    let numbers = shown.indices.filter { table.columns[shown[$0]].kind == .numbers }
    let lines = TextTable(
      [headings.map { $0[0] }, headings.map { $0[1] }] + cells, rightAligned: Set(numbers)
    ).lines
    var text = lines.prefix(2).filter { !$0.isEmpty }.map { $0 + "\n" }.joined()
    for (index, line) in lines.dropFirst(2).enumerated() {
      let row = table.rows[index]
      if !groups.isEmpty,
        index == 0 || groups.contains(where: { row[$0] != table.rows[index - 1][$0] })
      {
        let words = groups.map { place in
          [row[place].plainText, table.columns[place].unit].filter { !$0.isEmpty }
            .joined(separator: " ")
        }
        text += "\n" + wrapped(words.joined(separator: ", "), indentation: "  ")
      }
      text += line + "\n"
    }
    return text
  }

  private func text(of cell: ReportCell) -> String {
    guard !showsIntervals, case .number(_, let format) = cell.content,
      case .interval(let interval) = cell.uncertainty
    else { return cell.plainText }
    var cell = cell
    cell.uncertainty = nil
    return cell.plainText + " ±" + format.text((interval.high - interval.low) / 2)
  }

  /// At most ``columns`` a line; all but the first begin with the indentation.
  private func wrapped(_ text: String, indentation: String) -> String {
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
