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

  /// Of full's bytes: of the first pool that counts them so.
  func byteShare(_ kind: ByteShare?) -> ReportCell {
    let counted = pools.filter { $0.byteShare == kind }
    return .number(counted.lazy.compactMap { $0.byteShare(of: label) }.first, .fixed(3))
  }

  /// Of the first task that has it.
  func figure(_ column: ComparisonColumn, _ format: NumberFormat) -> ReportCell {
    .number(rows.lazy.compactMap { $0.row[column] }.first, format)
  }

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
    let marks = row.qualityMarks + (row.isAtChance ? [.atChance] : [])
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
    // One way to count bytes for the whole column, the one that budgets match before others.
    let share = ByteShare.allCases.first { kind in pools.contains { $0.byteShare == kind } }
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
          return "\(cell.model), \(NumberFormat.counted(cell.contextLength, "token"))"
        },
        .words("\nstrategy") {
          .text($0.label, marks: $0.rows[0].cell.readsFuture ? [.readsFuture] : [])
        },
        figure(SummaryNotes.error, .relativeOutputError, .significant),
        figure(SummaryNotes.mass, .droppedMass, .significant),
      ] + tasks.flatMap(Self.columns) + [
        .init(SummaryNotes.firstToken, .lower) { $0.ratio(.timeToFirstToken) },
        .init(SummaryNotes.nextToken, .lower) { $0.ratio(.timePerOutputToken) },
        figure(SummaryNotes.bytes, .kvCacheResidentBytes, .mebibytes),
        .init(SummaryNotes.byteRatio, .lower) { $0.byteShare(share) },
      ]
    var section = ReportSection(
      title: "Summary", tables: [ReportTable(lines, columns)], items: flags)
    let isOfSeveral = tasks.count > 1 || tasks.contains(where: \.isPool)
    let notes = SummaryNotes(
      table: section.tables[0], firstTask: isOfSeveral ? tasks[0].tasks[0] : nil, share: share)
    section.text =
      notes.paragraphs + section.marks.map { "\($0.symbol) \($0.shortFootnote)" }
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
        rest: (isScored ? "" : ", \(NumberFormat.counted(cells.count, "text"))")
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
}

/// What has to be known of the summary's columns; nothing of those that it does not show.
private struct SummaryNotes {
  static let error = "output\nerror"
  static let mass = "dropped\nmass"
  static let firstToken = "1st tok\n÷full"
  static let nextToken = "next tok\n÷full"
  static let bytes = "KV\nMiB"
  static let byteRatio = "KV\n÷full"

  let table: ReportTable
  /// What figures of one task are of where there are several; nil for a single one.
  let firstTask: String?
  /// How the column of shares counts bytes.
  let share: ByteShare?

  /// One, or none where nothing has to be said.
  var paragraphs: [String] {
    let text = [origin, bytesWords, intervals, ownRatio].filter { !$0.isEmpty }
      .joined(separator: " ")
    return text.isEmpty ? [] : [text]
  }

  private func shows(_ columns: String...) -> Bool {
    table.columns.contains { columns.contains($0.name) }
  }

  private var showsTimes: Bool { shows(Self.firstToken, Self.nextToken) }

  private var origin: String {
    let figures = [
      shows(Self.error, Self.mass) ? "errors" : nil, showsTimes ? "times" : nil,
      shows(Self.bytes) ? "KV MiB" : nil,
    ].compactMap(\.self)
    guard let firstTask, !figures.isEmpty else { return "" }
    return "Of \(firstTask), where it has them: \(figures.joined(separator: ", "))."
  }

  private var bytesWords: String {
    let allocated = shows(Self.bytes) ? "KV MiB: allocated after the prompt." : ""
    guard let share, shows(Self.byteRatio) else { return allocated }
    let part = share.explanation.replacing("KV bytes:", with: "KV ÷full:")
    return [allocated, part].filter { !$0.isEmpty }.joined(separator: " ")
  }

  /// What ± is half of, and why some figures have none.
  private var intervals: String {
    let hasTimes = hasIntervals { [Self.firstToken, Self.nextToken].contains($0) }
    let hasQuality = hasIntervals { ![Self.firstToken, Self.nextToken].contains($0) }
    let least = PairedDifference.ClusterKind.self
    var (sources, limits): ([String], [String]) = ([], [])
    if hasQuality {
      sources.append("of the difference to full over windows, or over texts")
      limits.append("\(least.window.least) windows or \(least.text.least) texts")
    }
    if hasTimes {
      sources.append("of ratios of times over repeats")
      limits.append("\(SignedRank.leastValues) repeats")
    }
    if sources.isEmpty { return "" }
    return
      "± half of the 95 % interval, both ends where they lie unevenly: \(sources.joined(separator: "; ")). "
      + "None for fewer than \(limits.joined(separator: ", or "))."
  }

  private var ownRatio: String {
    showsTimes ? "Full's ratio of times is that of its second run to its first." : ""
  }

  /// Whether some column of such a name has intervals.
  private func hasIntervals(_ isMeant: (String) -> Bool) -> Bool {
    table.columns.indices.contains { place in
      isMeant(table.columns[place].name)
        && table.rows.contains { row in
          if case .interval? = row[place].uncertainty { true } else { false }
        }
    }
  }
}
