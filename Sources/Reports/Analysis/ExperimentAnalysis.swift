import Records

/// An experiment's results with what every table needs: paired differences, spreads, task names.
public struct ExperimentAnalysis: Sendable {
  public let results: ExperimentResults
  /// By model, context length and task, each strategy in the order of the plan.
  public let rows: [AnalysedRow]

  public init(_ results: ExperimentResults) { self.init(results) { _ in true } }

  /// Of the wanted rows alone: a bootstrap for each row takes its time.
  init(_ results: ExperimentResults, where isWanted: (ComparisonRow) -> Bool) {
    self.results = results
    let labels = TaskLabels(results.rows)
    let models = Self.ranks(results.rows.map(\.planned.cell.model))
    let tasks = Self.ranks(results.rows.map(labels.label))
    let fullRows = Dictionary(
      results.rows.filter(\.isFull).map { ($0.fullCell, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    let atChance = Set(fullRows.filter(\.value.isAtChance).keys)
    let newestGroups = results.newestGroups
    rows = results.rows.enumerated().filter { isWanted($0.element) }
      .map { (position: $0.offset, row: $0.element, label: labels.label(of: $0.element)) }
      .sorted { left, right in
        let (leftCell, rightCell) = (left.row.planned.cell, right.row.planned.cell)
        return (
          models[leftCell.model] ?? 0, leftCell.contextLength, tasks[left.label] ?? 0, left.position
        ) < (
          models[rightCell.model] ?? 0, rightCell.contextLength, tasks[right.label] ?? 0,
          right.position
        )
      }
      .map {
        AnalysedRow(
          $0.row, task: $0.label, full: fullRows[$0.row.fullCell],
          isAtChance: atChance.contains($0.row.fullCell),
          group: newestGroups[$0.row.planned.cell.identity]?.group)
      }
  }

  /// The place of each name's first appearance.
  private static func ranks(_ names: [String]) -> [String: Int] {
    var ranks: [String: Int] = [:]
    for name in names where ranks[name] == nil { ranks[name] = ranks.count }
    return ranks
  }

  /// The runs whose figures are shown.
  var runsBehind: [StoredRun] {
    let ids = Set(results.rows.flatMap(\.kinds.values)).union(results.timingGroups.map(\.run))
    return results.runs.filter { ids.contains($0.id) }
  }
}

/// A row with what is worked out from its units and repetitions.
public struct AnalysedRow: Sendable {
  public let row: ComparisonRow
  /// With the protocol, and with parameters where the experiment has the task more than once.
  public let task: String
  /// True where full attention scores no better than guessing: differences mean nothing.
  public let isAtChance: Bool
  /// From full to this strategy; nil for full itself, and without units in common.
  public let difference: PairedDifference?
  /// Of the newest timing group of the cell.
  public let times: [TimeFigure: Spread]
  /// To full, repetition by repetition.
  public let ratios: [TimeFigure: Spread]

  /// - Parameters:
  ///   - full: what the row is compared with; nil where the results lack it.
  ///   - group: the newest timing group of the cell.
  init(
    _ row: ComparisonRow, task: String, full: ComparisonRow?, isAtChance: Bool, group: TimingGroup?
  ) {
    self.row = row
    self.task = task
    self.isAtChance = isAtChance
    difference = row.isFull ? nil : full.flatMap { PairedDifference(from: $0, to: row) }
    let identity = row.planned.cell.identity
    var times: [TimeFigure: Spread] = [:]
    var ratios: [TimeFigure: Spread] = [:]
    for figure in TimeFigure.allCases {
      times[figure] = group.flatMap { Spread(figure, of: identity, in: $0) }
      guard figure.ratioColumn != nil else { continue }
      ratios[figure] = group.flatMap {
        Spread(ratioOf: figure, of: identity, to: row.planned.fullIdentity, in: $0)
      }
    }
    self.times = times
    self.ratios = ratios
  }

  var cell: CellRecord { row.planned.cell }

  var label: String { row.planned.label }

  /// True where quality was measured on tokens that took part in the selection.
  var looksAhead: Bool { cell.selectionLooksAhead && cell.taskProtocol == "prefill" }

  /// The strategy's label, marked where its figures need a footnote.
  var strategy: ReportCell {
    .text(
      label, marks: (looksAhead ? [.looksAhead] : []) + (cell.readsFuture ? [.readsFuture] : []))
  }

  /// The words that tell the row from all others, for sentences.
  var place: String {
    "\(label), \(cell.model) at \(NumberFormat.count(cell.contextLength)), \(task)"
  }
}

extension ColumnRule where Subject == AnalysedRow {
  /// The first columns of every table.
  static var names: [Self] { places + [.words("strategy") { $0.strategy }] }

  static var places: [Self] {
    [
      .words("model") { .text($0.cell.model) }, Self("context") { .count($0.cell.contextLength) },
      .words("task") { .text($0.task, marks: $0.isAtChance ? [.atChance] : []) },
    ]
  }
}

extension ComparisonRow {
  /// The cell that this one is compared with; one model file can go by two names.
  fileprivate var fullCell: [String] { [planned.fullIdentity, planned.cell.model] }

  /// True where the score is 0, is at most the chance level, or has it in its interval.
  var isAtChance: Bool {
    let scored = units.compactMap { unit in unit.score.map { (unit.sample, $0) } }
    guard let mean = scored.map(\.1).mean else { return false }
    if mean == 0 { return true }
    guard let chance = self[.chanceLevel] else { return false }
    let interval = Bootstrap().interval(
      of: scored.map { Bootstrap.Unit(stratum: $0.0, value: $0.1) })
    return mean <= chance || interval.map { $0.low <= chance } ?? false
  }
}
