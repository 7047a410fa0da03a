import Foundation
import Records

/// A column of the summary: one task, or the texts or tasks of a family together.
private struct SummaryTask: Hashable {
  /// `perplexity/continuation`
  let kind: String
  /// What stands behind the kind: the task's own parameters, or how many tasks they are.
  let rest: String
  /// What tells several that are taken together from others of their kind.
  var distinction = ""
  /// By their labels; more than one where they are taken together.
  let tasks: [String]
  let isScored: Bool

  var isPool: Bool { tasks.count > 1 }

  /// `perplexity` above `continuation, 5 texts`, `passkey` above `score`.
  var heading: String {
    let parts = (kind + rest).split(separator: "/", maxSplits: 1).map(String.init)
    let below = parts.dropFirst() + (isScored ? ["score"] : [])
    return "\(parts[0])\n\(below.joined(separator: " "))"
  }
}

/// A strategy at one length, task by task: a line of the summary.
private struct SummaryLine {
  let rows: [AnalysedRow]
  let pools: [Pool]

  var label: String { rows[0].label }

  /// Of full's bytes, as budgets count them: of the first pool that knows it.
  var byteShare: ReportCell {
    .number(pools.lazy.compactMap { $0.byteShare(of: label) }.first, .fixed(3))
  }

  /// Of the first task that has it.
  func figure(_ column: ComparisonColumn, _ format: NumberFormat) -> ReportCell {
    .number(rows.lazy.compactMap { $0.row[column] }.first, format)
  }

  var hasTimes: Bool { rows.contains { !$0.ratios.isEmpty } }

  /// A ratio of times with its interval, of the first task that has one; marked where nothing says how sure it is.
  func ratio(_ figure: TimeFigure) -> ReportCell {
    guard let row = rows.first(where: { $0.ratios[figure] != nil }), let spread = row.ratios[figure]
    else { return .missing }
    let marks = row.timeMarks + (spread.interval == nil ? [.fewRepeats] : [])
    return .number(spread.median, .fixed(2), spread.interval, marks: marks)
  }

  /// The score, or the perplexity with the interval of the difference to full laid around it.
  func quality(of task: SummaryTask) -> ReportCell {
    let own = rows.filter { task.tasks.contains($0.task) }
    guard let row = own.first else { return .missing }
    if own.contains(where: { $0.row.failure != nil }) { return "failed" }
    let marks =
      (row.looksAhead ? [Mark.looksAhead] : []) + (row.isAtChance ? [Mark.atChance] : [])
    if task.isPool {
      guard let difference = pooled(task) else { return .missing }
      return Self.cell(difference, value: nil, isFull: row.row.isFull, marks)
    }
    return row.difference.map {
      Self.cell($0, value: row.row[task.isScored ? .score : .perplexity], marks)
    } ?? .number(row.row[task.isScored ? .score : .perplexity], .fixed(2), marks: marks)
  }

  /// - Parameter value: in place of the mean over the clusters.
  private static func cell(
    _ difference: PairedDifference, value: Double?, isFull: Bool = false, _ marks: [Mark]
  ) -> ReportCell {
    if difference.figure == .score {
      return .number(value ?? difference.second, .fixed(2), marks: marks)
    }
    let shown = value ?? exp(difference.second)
    // Full does not differ from itself.
    let interval =
      isFull
      ? nil
      : difference.perplexityRatioInterval?.map {
        $0 * shown / (difference.perplexityRatio ?? 1)
      }
    return .number(shown, .fixed(2), interval, marks: marks)
  }

  private func pooled(_ task: SummaryTask) -> PairedDifference? {
    pool(task).flatMap { pool in
      pool.full.flatMap { pool.difference(from: $0, to: label) }
    }
  }

  private func pool(_ task: SummaryTask) -> Pool? {
    pools.first {
      $0.isPool && $0.key.kind == task.kind && $0.distinctionWords == task.distinction
        && $0.cells(of: label) != nil
    }
  }

  /// The text at which the strategy loses most, and what.
  func worst(_ task: SummaryTask) -> ReportCell {
    pool(task).map { .text($0.worstText(label)) } ?? .missing
  }
}

extension ExperimentAnalysis {
  /// The main comparison for a quick look: a line for each strategy at each length.
  var summarySection: ReportSection {
    let tasks = summaryTasks
    let places = Dictionary(grouping: pools) { [$0.key.model, "\($0.key.contextLength)"] }
    let lines = rows.groupedByNames { [$0.cell.model, "\($0.cell.contextLength)", $0.label] }
      .map { rows in
        let cell = rows[0].cell
        return SummaryLine(
          rows: rows, pools: places[[cell.model, "\(cell.contextLength)"]] ?? [])
      }
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
          .text($0.label, marks: $0.rows[0].cell.readsFuture ? [.readsFuture] : [])
        },
        figure("output\nerror", .relativeOutputError, .significant),
        figure("dropped\nmass", .droppedMass, .significant),
      ] + tasks.flatMap(Self.columns) + [
        .init("1st tok\n÷full", .lower) { $0.ratio(.timeToFirstToken) },
        .init("next tok\n÷full", .lower) { $0.ratio(.timePerOutputToken) },
        figure("KV\nMiB", .kvCacheResidentBytes, .mebibytes),
        .init("KV\n÷full", .lower) { $0.byteShare },
      ]
    var section = ReportSection(
      title: "Summary", tables: [ReportTable(lines, columns)], items: flags)
    section.text = notes(
      on: tasks, marks: section.marks, hasTimes: lines.contains(where: \.hasTimes))
    return section
  }

  /// The tasks in the order of the rows, those that any pool takes together as one.
  private var summaryTasks: [SummaryTask] {
    let scored = Set(rows.filter { $0.row[.score] != nil }.map(\.task))
    // By the cell of full.
    var pooled: [String: SummaryTask] = [:]
    for pool in pools where pool.isPool {
      guard let full = pool.full, let cells = pool.cells(of: full) else { continue }
      let isScored = cells.contains { scored.contains($0.task) }
      let task = SummaryTask(
        kind: pool.key.kind,
        rest: (isScored ? "" : ", \(cells.count) texts")
          + (pool.distinctionWords.isEmpty ? "" : " \(pool.distinctionWords)"),
        distinction: pool.distinctionWords, tasks: cells.map(\.task), isScored: isScored)
      for place in pool.tasks where pooled[place] == nil { pooled[place] = task }
    }
    return rows.grouped(\.row.planned.fullIdentity).map { place, rows -> SummaryTask in
      if let task = pooled[place] { return task }
      let row = rows[0]
      let kind = row.cell.taskProtocol.map { "\(row.cell.task)/\($0)" } ?? row.cell.task
      return SummaryTask(
        kind: kind, rest: String(row.task.dropFirst(kind.count)), tasks: [row.task],
        isScored: scored.contains(row.task))
    }.uniqued
  }

  /// What it comes to and, of texts, the worst.
  private static func columns(_ task: SummaryTask) -> [ColumnRule<SummaryLine>] {
    let quality = ColumnRule<SummaryLine>(task.heading, task.isScored ? .higher : .lower) {
      $0.quality(of: task)
    }
    guard task.isPool else { return [quality] }
    return [
      quality, ColumnRule("worst\n\(task.isScored ? "task" : "text, nats")") { $0.worst(task) },
    ]
  }

  private func notes(on tasks: [SummaryTask], marks: [Mark], hasTimes: Bool) -> [String] {
    let least = PairedDifference.ClusterKind.self
    let sentences = [
      tasks.count > 1 || tasks.contains(where: \.isPool)
        ? "Of \(tasks[0].tasks[0]), where it has them: errors\(hasTimes ? ", times" : ""), KV MiB."
        : "",
      "KV MiB: allocated after the prompt.",
      pools.compactMap(\.byteShare?.explanation).uniqued.joined(separator: " ")
        .replacing("KV bytes:", with: "KV ÷full:"),
      "± half of the 95 % interval: of the difference to full over windows, or over texts"
        + (hasTimes ? "; of ratios of times over repeats" : "")
        + ". None for fewer than \(least.window.least) windows or \(least.text.least) texts"
        + (hasTimes
          ? ", or \(SignedRank.leastValues) repeats. Full's ratio of times is that of its second run to its first."
          : "."),
    ].filter { !$0.isEmpty }
    return [sentences.joined(separator: " ")] + marks.map { "\($0.symbol) \($0.shortFootnote)" }
  }
}
