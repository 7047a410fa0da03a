/// The summary as a text for a terminal; of a report without one, its facts, sections and legend.
///
/// Whatever names and texts a report holds, none has power over the terminal.
public struct TerminalRenderer: ReportRenderer {
  public let name = "terminal"

  private let columns: Int
  /// Both ends of every interval; else half of its width where that says as much, which takes less room.
  private let showsIntervals: Bool
  /// Makes a piece of text stand out.
  private let emphasised: @Sendable (String) -> String

  /// - Parameters:
  ///   - columns: where running text is broken, and tables go on below.
  ///   - emphasised: a line of the answer as it is to be shown.
  public init(
    columns: Int = 100, showsIntervals: Bool = false,
    emphasised: @escaping @Sendable (String) -> String = { $0 }
  ) {
    self.columns = columns
    self.showsIntervals = showsIntervals
    self.emphasised = emphasised
  }

  public func files(of report: Report) -> [ReportFile] {
    [ReportFile(name: "report.txt", text: text(of: report))]
  }

  private func text(of report: Report) -> String {
    var text = wrapped(
      [report.title, report.question].filter { !$0.isEmpty }.joined(separator: ": "),
      indentation: "")
    if let summary = report.summary {
      let isEmpty = summary.tables.allSatisfy(\.rows.isEmpty)
      return text + (isEmpty ? "no cells\n" : body(of: summary, bullet: "! "))
    }
    for (label, value) in report.facts { text += wrapped("\(label): \(value)", indentation: "   ") }
    for section in report.sections {
      text += "\n\(TerminalText.line(section.title))\n" + body(of: section, bullet: "- ")
    }
    for paragraph in report.legend { text += "\n" + wrapped(paragraph, indentation: "") }
    return text
  }

  private func body(of section: ReportSection, bullet: String) -> String {
    var text = ""
    for table in section.tables where !table.rows.isEmpty { text += "\n" + self.text(of: table) }
    for note in section.text { text += "\n" + wrapped(note, indentation: "") }
    for item in section.items {
      let lines = wrapped(bullet + item, indentation: "  ")
      text += "\n" + (section.isAnswer ? emphasised(lines) : lines)
    }
    return text
  }

  /// With headings of two lines, and what rows have in common above them; a table that is too wide in parts.
  private func text(of table: ReportTable) -> String {
    let groups = table.columns.indices.filter { table.columns[$0].kind == .group }
    let shown = table.columns.indices.filter { table.columns[$0].kind != .group }
    let columns = shown.map { place in
      let parts = table.columns[place].heading.split(
        separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
      return (parts.count > 1 ? parts.map(String.init) : ["", String(parts[0])])
        + table.rows.map { TerminalText.line(text(of: $0[place])) }
    }
    let lines = parts(
      of: columns, namesRows: shown.first.map { table.columns[$0].kind == .words } ?? false
    ).map { part in
      let numbers = part.indices.filter { table.columns[shown[part[$0]]].kind == .numbers }
      return TextTable(
        (0..<table.rows.count + 2).map { row in part.map { columns[$0][row] } },
        rightAligned: Set(numbers)
      ).lines
    }
    return lines.map { text(of: table, groups, lines: $0) }.joined(separator: "\n")
  }

  /// The places of the columns that stand beside each other; the one that names the rows stands in every part.
  private func parts(of columns: [[String]], namesRows: Bool) -> [[Int]] {
    let widths = columns.map { $0.map(\.width).max() ?? 0 }
    let names = namesRows ? [0] : []
    return columns.indices.dropFirst(names.count).reduce(into: [names]) { parts, place in
      let last = parts.count - 1
      let width = parts[last].reduce(widths[place]) { $0 + widths[$1] + 2 }
      if width > self.columns, parts[last].count > names.count {
        parts.append(names + [place])
      } else {
        parts[last].append(place)
      }
    }
  }

  /// - Parameter lines: two of headings, then one for each row.
  private func text(of table: ReportTable, _ groups: [Int], lines: [String]) -> String {
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
    guard !showsIntervals, case .number(let value, let format) = cell.content,
      case .interval(let interval) = cell.uncertainty,
      Self.isEven(interval, around: value, format)
    else { return cell.plainText }
    var cell = cell
    cell.uncertainty = nil
    return cell.plainText + " ±" + format.text((interval.high - interval.low) / 2)
  }

  /// Whether both ends lie as far from a value, as far as it is shown, or nearly so: a twentieth of the whole interval off
  /// its middle. Ratios' intervals need not.
  private static func isEven(
    _ interval: Interval, around value: Double, _ format: NumberFormat
  ) -> Bool {
    let (below, above) = (value - interval.low, interval.high - value)
    return format.text(below) == format.text(above)
      || abs(above - below) <= 0.1 * (interval.high - interval.low)
  }

  /// At most ``columns`` a line; all but the first begin with the indentation.
  private func wrapped(_ text: String, indentation: String) -> String {
    var lines: [String] = [""]
    for word in TerminalText.line(text).split(separator: " ") {
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
