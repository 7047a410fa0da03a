import Records

/// An experiment's results with what every table needs: paired differences, spreads, task names.
public struct ExperimentAnalysis: Sendable {
  public let results: ExperimentResults
  /// By model, context length and task, each strategy in the order of the plan.
  public let rows: [AnalysedRow]
  /// Where strategies are compared.
  let pools: [Pool]
  /// Of all pools of several texts or tasks.
  let pooledStrategies: [PooledStrategy]
  /// The contrasts that the spec names, at each place.
  let primaryContrasts: [TestedContrast]
  /// Cells that are held to one budget, by what it limits.
  let budgetGroups: [BudgetedUse: [BudgetGroup]]
  let background: ReportBackground

  public init(_ results: ExperimentResults, background: ReportBackground = ReportBackground()) {
    self.results = results
    self.background = background
    let labels = TaskLabels(results.rows)
    let models = Self.ranks(results.rows.map(\.planned.cell.model))
    let tasks = Self.ranks(results.rows.map(labels.label))
    let fullRows = Dictionary(
      results.rows.filter(\.isFull).map { ($0.fullCell, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    let atChance = Set(fullRows.filter(\.value.isAtChance).keys)
    let timings = CellTiming.all(in: results)
    let poolKeys = Pool.Key.all(of: results.rows.map(\.planned.cell))
    rows = results.rows.enumerated()
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
          $0.row, task: $0.label, poolKey: poolKeys[$0.position], full: fullRows[$0.row.fullCell],
          isAtChance: atChance.contains($0.row.fullCell), actsLater: background.actsLater($0.row),
          timing: timings[$0.row.planned.cell.identity])
      }
    pools = Pool.all(of: rows)
    pooledStrategies = pools.filter(\.isPool).flatMap(\.pooledStrategies)
    primaryContrasts = Self.tested(results.experiment.primary, in: pools)
    budgetGroups = BudgetGroup.all(of: rows.filter { !$0.actsLater })
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
  /// Of the cells that it is taken together with.
  let poolKey: Pool.Key
  /// The label of the cell that it is compared with; nil where the results lack it.
  let fullLabel: String?
  /// True where full attention scores no better than guessing: differences mean nothing.
  public let isAtChance: Bool
  /// True where its quality was measured before the strategy, or a part of it, did anything.
  let actsLater: Bool
  /// From full to this strategy; nil for full itself, and without units in common.
  public let difference: PairedDifference?
  /// What its quality is compared by; nil where that has to be looked up unit by unit.
  let clusters: CellClusters?
  /// Nil where it was not timed.
  let timing: CellTiming?
  /// Of its newest timing group.
  public let times: [TimeFigure: Spread]
  /// To full, repetition by repetition; of full itself that of its second run in each round to the first.
  public let ratios: [TimeFigure: Spread]

  /// - Parameters:
  ///   - full: what the row is compared with; nil where the results lack it.
  ///   - timing: nil where the cell was not timed.
  init(
    _ row: ComparisonRow, task: String, poolKey: Pool.Key, full: ComparisonRow?, isAtChance: Bool,
    actsLater: Bool, timing: CellTiming?
  ) {
    self.row = row
    self.task = task
    self.poolKey = poolKey
    self.isAtChance = isAtChance
    self.actsLater = actsLater
    fullLabel = full?.planned.label
    self.timing = timing
    clusters = CellClusters(row.units)
    difference = row.isFull ? nil : full.flatMap { PairedDifference(from: $0, to: row) }
    var times: [TimeFigure: Spread] = [:]
    var ratios: [TimeFigure: Spread] = [:]
    for figure in TimeFigure.allCases {
      times[figure] = timing.flatMap { Spread($0.samples.compactMap(figure.value)) }
      guard figure.ratioColumn != nil, let timing else { continue }
      ratios[figure] =
        row.isFull
        ? timing.selfRatio(figure)
        : Spread(
          ratios: timing.group.ratios(
            figure, of: row.planned.cell.identity, to: row.planned.fullIdentity))
    }
    self.times = times
    self.ratios = ratios
  }

  var cell: CellRecord { row.planned.cell }

  /// Whether full differs from itself in its timing group.
  var isUnsteady: Bool { timing.map { !$0.group.unsteady.isEmpty } ?? false }

  /// What a ratio of its times has to be read with.
  var timeMarks: [Mark] { isUnsteady ? [.unsteady] : [] }

  var label: String { row.planned.label }

  /// Allocated for the KV cache: the mean over the decode steps where it was measured, else after the prefill.
  var heldBytes: Double? { row[.meanKVCacheResidentBytes] ?? row[.kvCacheResidentBytes] }

  /// True where quality was measured on tokens that took part in the selection.
  var looksAhead: Bool { cell.selectionLooksAhead && cell.taskProtocol == "prefill" }

  /// What its quality has to be read with, but for chance.
  var qualityMarks: [Mark] {
    (looksAhead ? [.looksAhead] : []) + (actsLater ? [.actsLater] : [])
  }

  /// The strategy's label, marked where its figures need a footnote.
  var strategy: ReportCell {
    .text(label, marks: qualityMarks + (cell.readsFuture ? [.readsFuture] : []))
  }

  /// `12 windows`, `5 prompts`: what its quality was measured on; "" where it was not.
  var clusterText: String {
    guard let figure = PairedDifference.figure(of: row.units) else { return "" }
    let count = Set(row.units.map(\.sample)).count
    return NumberFormat.counted(count, figure == .score ? "prompt" : "window")
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
    guard let score = ScoreMean(units) else { return false }
    if score.value == 0 { return true }
    guard let chance = self[.chanceLevel], chance > 0 else { return false }
    return score.value <= chance || score.interval.map { $0.low <= chance } ?? false
  }
}
