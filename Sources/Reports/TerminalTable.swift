import Foundation
import Records

/// The main comparison as a text of about 120 columns: a block for each model and context length, a line for
/// each strategy.
public struct TerminalTable: Sendable {
  private let analysis: ExperimentAnalysis

  public init(_ analysis: ExperimentAnalysis) { self.analysis = analysis }

  public init(of results: ExperimentResults) { self.init(ExperimentAnalysis(results)) }

  /// The table with headings, the flags and what the columns mean; ends with a line feed.
  public var text: String {
    let experiment = analysis.results.experiment
    var text = experiment.name
    if !experiment.question.isEmpty { text += ": \(experiment.question)" }
    text += "\n"
    if analysis.rows.isEmpty { return text + "no cells\n" }
    let columns = shownColumns
    let widths = columns.map { column in
      (column.cells + [column.top, column.bottom]).map(\.count).max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { index in
        let space = String(repeating: " ", count: widths[index] - cells[index].count)
        return columns[index].isNumeric ? space + cells[index] : cells[index] + space
      }
      var line = padded.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line + "\n"
    }
    text += "\n" + line(columns.map(\.top)) + line(columns.map(\.bottom))
    for (index, group) in lines.enumerated() {
      if index == 0 || group.place != lines[index - 1].place { text += "\n\(group.place)\n" }
      text += line(columns.map { $0.cells[index] })
    }
    for note in notes { text += "\n" + Self.wrapped(note) }
    return text
  }

  /// The cells of one line: a strategy at one length, task by task.
  private struct Line {
    var model: String
    var contextLength: Int
    var label: String
    var rows: [AnalysedRow]

    var markedLabel: String { rows[0].cell.readsFuture ? label + " §" : label }

    /// What the lines of a block have in common.
    var place: String { "\(model), \(NumberText.count(contextLength)) tokens" }

    /// The figure of the first task that has it.
    func first(_ column: ComparisonColumn) -> Double? {
      rows.lazy.compactMap { $0.row[column] }.first
    }
  }

  private struct Column {
    var top: String
    var bottom: String
    var isNumeric = true
    var cells: [String]
  }

  private var lines: [Line] {
    var lines: [Line] = []
    for row in analysis.rows {
      let index = lines.firstIndex {
        $0.model == row.cell.model && $0.contextLength == row.cell.contextLength
          && $0.label == row.row.planned.label
      }
      if let index {
        lines[index].rows.append(row)
      } else {
        lines.append(
          Line(
            model: row.cell.model, contextLength: row.cell.contextLength,
            label: row.row.planned.label, rows: [row]))
      }
    }
    return lines
  }

  private var shownColumns: [Column] {
    func column(_ top: String, _ bottom: String, _ text: (Line) -> String) -> Column {
      Column(top: top, bottom: bottom, cells: lines.map(text))
    }
    var columns = [
      Column(top: "", bottom: "strategy", isNumeric: false, cells: lines.map(\.markedLabel)),
      column("output", "error ↓") { NumberText.significant($0.first(.relativeOutputError)) },
      column("dropped", "mass ↓") { NumberText.significant($0.first(.droppedMass)) },
    ]
    columns += tasks.map(taskColumn)
    columns += [
      column("1st tok", "÷full ↓") { NumberText.fixed($0.first(.timeToFirstTokenRatio), 2) },
      column("next tok", "÷full ↓") { NumberText.fixed($0.first(.timePerOutputTokenRatio), 2) },
      column("KV", "MiB ↓") { NumberText.mebibytes($0.first(.kvCacheResidentBytes)) },
      column("KV", "÷full ↓") { NumberText.fixed($0.first(.kvCacheResidentBytesRatio), 2) },
    ]
    return columns.filter { column in
      !column.isNumeric || column.cells.contains { $0 != NumberText.missing }
    }
  }

  private var tasks: [String] {
    var tasks: [String] = []
    for row in analysis.rows where !tasks.contains(row.task) { tasks.append(row.task) }
    return tasks
  }

  private func taskColumn(_ task: String) -> Column {
    let parts = task.split(separator: "/", maxSplits: 1).map(String.init)
    let isScored = analysis.rows.contains { $0.task == task && $0.row[.score] != nil }
    return Column(
      top: parts[0], bottom: (parts.count > 1 ? parts[1] : "") + (isScored ? "score ↑" : " ↓"),
      cells: lines.map { line in
        guard let row = line.rows.first(where: { $0.task == task }) else {
          return NumberText.missing
        }
        if row.row.failure != nil { return "failed" }
        let value = isScored ? row.row[.score] : row.row[.perplexity]
        guard let value else { return NumberText.missing }
        let text =
          NumberText.fixed(value, 2) + (row.looksAhead ? "†" : "") + (row.isAtChance ? "‡" : "")
        return NumberText.with(text, Self.halfWidth(of: row).map { "±\($0)" } ?? "")
      })
  }

  /// Half of the interval of what differs from full, in the figure's own unit.
  private static func halfWidth(of row: AnalysedRow) -> String? {
    guard let difference = row.difference, let interval = difference.interval else { return nil }
    let factor =
      difference.figure == .score ? 1 : (row.row[.perplexity] ?? 0) / exp(difference.mean)
    let ends = difference.perplexityRatioInterval ?? interval
    return NumberText.fixed((ends.high - ends.low) / 2 * factor, 2)
  }

  private var notes: [String] {
    var notes: [String] = []
    if let first = tasks.first, tasks.count > 1 {
      notes.append(
        "Errors, times and KV cache are \(first)'s where it has them. ± half of the 95 % interval of the difference to "
          + "full, paired over units; none for fewer than \(Bootstrap.leastUnits) units.")
    } else {
      notes.append(
        "± half of the 95 % interval of the difference to full, paired over units; none for fewer than "
          + "\(Bootstrap.leastUnits) units.")
    }
    if analysis.rows.contains(where: \.looksAhead) {
      notes.append("† The selection saw the tokens that are scored; compare the continuation.")
    }
    if analysis.rows.contains(where: \.cell.readsFuture) {
      notes.append("§ Reads the future: an oracle, which bounds methods and is none.")
    }
    if analysis.rows.contains(where: \.isAtChance) {
      notes.append("‡ Full attention scores no better than guessing: differences mean nothing.")
    }
    return notes + analysis.flags.map { "! \($0)" }
  }

  /// At most 118 columns a line.
  private static func wrapped(_ text: String) -> String {
    var lines: [String] = [""]
    for word in text.split(separator: " ") {
      let last = lines[lines.count - 1]
      if last.isEmpty {
        lines[lines.count - 1] = String(word)
      } else if last.count + 1 + word.count <= 118 {
        lines[lines.count - 1] += " " + word
      } else {
        lines.append(text.hasPrefix("! ") ? "  " + word : String(word))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
