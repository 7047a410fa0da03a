import Records

/// A strategy at one length, task by task: a line of the summary.
private struct SummaryLine {
  let rows: [AnalysedRow]

  /// Of the first task that has it.
  func figure(_ column: ComparisonColumn, _ format: NumberFormat) -> ReportCell {
    .number(rows.lazy.compactMap { $0.row[column] }.first, format)
  }

  /// The score or the perplexity, with full's interval of the difference laid around full's own.
  func quality(of task: String, isScored: Bool) -> ReportCell {
    guard let row = rows.first(where: { $0.task == task }) else { return .missing }
    if row.row.failure != nil { return "failed" }
    let perplexity = row.row[.perplexity]
    let interval: Interval? = row.difference.flatMap { difference in
      if difference.figure == .score {
        return difference.interval?.map { difference.first + $0 }
      }
      return difference.perplexityRatioInterval?.map { ratio in
        ratio * (perplexity ?? 0) / (difference.perplexityRatio ?? 1)
      }
    }
    return .number(
      isScored ? row.row[.score] : perplexity, .fixed(2), interval,
      marks: (row.looksAhead ? [.looksAhead] : []) + (row.isAtChance ? [.atChance] : []))
  }
}

extension ExperimentAnalysis {
  /// The main comparison for a quick look: a line for each strategy at each length.
  var summarySection: ReportSection {
    let tasks = rows.map(\.task).uniqued
    let lines = rows.groupedByNames { [$0.cell.model, "\($0.cell.contextLength)", $0.label] }
      .map { SummaryLine(rows: $0) }
    func figure(
      _ name: String, _ column: ComparisonColumn, _ format: NumberFormat
    ) -> ColumnRule<SummaryLine> {
      ColumnRule(name, .lower) { $0.figure(column, format) }
    }
    let columns: [ColumnRule<SummaryLine>] =
      [
        .init("place", .neither, .group) {
          let cell = $0.rows[0].cell
          return "\(cell.model), \(NumberFormat.count(cell.contextLength)) tokens"
        },
        .words("\nstrategy") {
          .text($0.rows[0].label, marks: $0.rows[0].cell.readsFuture ? [.readsFuture] : [])
        },
        figure("output\nerror", .relativeOutputError, .significant),
        figure("dropped\nmass", .droppedMass, .significant),
      ] + tasks.map(taskColumn) + [
        figure("1st tok\n÷full", .timeToFirstTokenRatio, .fixed(2)),
        figure("next tok\n÷full", .timePerOutputTokenRatio, .fixed(2)),
        figure("KV\nMiB", .kvCacheResidentBytes, .mebibytes),
        figure("KV\n÷full", .kvCacheResidentBytesRatio, .fixed(2)),
      ]
    var section = ReportSection(
      title: "Summary", tables: [ReportTable(lines, columns)], items: flags)
    section.text = notes(on: tasks, marks: section.marks)
    return section
  }

  /// `perplexity` above `continuation ↓`, `passkey` above `score ↑`.
  private func taskColumn(_ task: String) -> ColumnRule<SummaryLine> {
    let parts = task.split(separator: "/", maxSplits: 1).map(String.init)
    let isScored = rows.contains { $0.task == task && $0.row[.score] != nil }
    let below = parts.dropFirst() + (isScored ? ["score"] : [])
    return ColumnRule(
      "\(parts[0])\n\(below.joined(separator: " "))", isScored ? .higher : .lower
    ) { $0.quality(of: task, isScored: isScored) }
  }

  private func notes(on tasks: [String], marks: [Mark]) -> [String] {
    let first =
      tasks.count > 1 ? "Errors, times and KV cache are \(tasks[0])'s where it has them. " : ""
    return [
      first + "± half of the 95 % interval of the difference to full, paired over units; none for "
        + "fewer than \(Bootstrap.leastUnits) units."
    ] + marks.map { "\($0.symbol) \($0.shortFootnote)" }
  }
}
