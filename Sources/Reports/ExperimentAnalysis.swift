import Records

/// An experiment's results with the comparisons that every table needs: paired differences, spreads, names of tasks.
public struct ExperimentAnalysis: Sendable {
  public let results: ExperimentResults
  /// By model, context length and task, each strategy in the order of the plan.
  public let rows: [AnalysedRow]

  public init(_ results: ExperimentResults) {
    self.results = results
    let labels = TaskLabels(results.rows)
    let models = Self.ranks(results.rows.map(\.planned.cell.model))
    let tasks = Self.ranks(results.rows.map(labels.label))
    let atChance = Set(
      results.rows.filter { $0.isFull && $0.isAtChance }.map(\.planned.cell.identity))
    rows = results.rows.enumerated()
      .map { (position: $0.offset, row: $0.element, label: labels.label(of: $0.element)) }
      .sorted { left, right in
        let leftCell = left.row.planned.cell
        let rightCell = right.row.planned.cell
        return (
          models[leftCell.model] ?? 0, leftCell.contextLength, tasks[left.label] ?? 0, left.position
        ) < (
          models[rightCell.model] ?? 0, rightCell.contextLength, tasks[right.label] ?? 0,
          right.position
        )
      }
      .map {
        AnalysedRow(
          $0.row, task: $0.label, isAtChance: atChance.contains($0.row.planned.fullIdentity),
          in: results)
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
  /// The task with its protocol, and with parameters where the experiment has the task more than once.
  public let task: String
  /// True where full attention scores no better than guessing: differences mean nothing.
  public let isAtChance: Bool
  /// From full to this strategy; nil for full itself, and without units in common.
  public let difference: PairedDifference?
  /// Of the newest timing group of the cell.
  public let times: [TimeFigure: Spread]
  /// To full, repetition by repetition.
  public let ratios: [TimeFigure: Spread]

  init(
    _ row: ComparisonRow, task: String, isAtChance: Bool = false, in results: ExperimentResults
  ) {
    self.row = row
    self.task = task
    self.isAtChance = isAtChance
    let identity = row.planned.cell.identity
    if !row.isFull, let full = results.fullRow(of: row),
      let figure = PairedDifference.figure(of: row.units)
    {
      difference = PairedDifference(of: figure, from: full.units, to: row.units)
    } else {
      difference = nil
    }
    var times: [TimeFigure: Spread] = [:]
    var ratios: [TimeFigure: Spread] = [:]
    if let group = results.newestGroup(of: identity)?.group {
      for figure in TimeFigure.allCases {
        times[figure] = Spread(figure, of: identity, in: group)
        guard figure.ratioColumn != nil else { continue }
        ratios[figure] = Spread(
          ratioOf: figure, of: identity, to: row.planned.fullIdentity, in: group)
      }
    }
    self.times = times
    self.ratios = ratios
  }

  var cell: CellRecord { row.planned.cell }

  /// True where quality was measured on tokens that took part in the selection.
  var looksAhead: Bool { cell.selectionLooksAhead && cell.taskProtocol == "prefill" }

  /// The strategy's label, marked where its figures need the footnotes on looking ahead or on reading the future.
  var strategy: String {
    row.planned.label + (looksAhead ? " †" : "") + (cell.readsFuture ? " §" : "")
  }

  /// The words that tell the row from all others, for sentences.
  var place: String {
    "\(row.planned.label), \(cell.model) at \(NumberText.count(cell.contextLength)), \(task)"
  }

  /// The first cells of every table's row.
  var names: [String] {
    [
      cell.model, NumberText.count(cell.contextLength), isAtChance ? task + " ‡" : task, strategy,
    ]
  }

  /// The median ratio to full and its quartiles; nothing for full itself.
  func ratioText(_ figure: TimeFigure) -> String {
    row.isFull ? NumberText.missing : NumberText.spread(ratios[figure]) { NumberText.fixed($0, 3) }
  }

  static let nameColumns = [
    ReportTable.Column("model", isNumeric: false), ReportTable.Column("context"),
    ReportTable.Column("task", isNumeric: false), ReportTable.Column("strategy", isNumeric: false),
  ]
}

extension ComparisonRow {
  /// True where the score is 0, is at most the chance level, or has it in its interval.
  var isAtChance: Bool {
    let scored = units.compactMap { unit in unit.score.map { (unit.sample, $0) } }
    guard !scored.isEmpty else { return false }
    let mean = scored.reduce(0) { $0 + $1.1 } / Double(scored.count)
    if mean == 0 { return true }
    guard let chance = self[.chanceLevel] else { return false }
    let interval = Bootstrap().interval(
      of: scored.map { Bootstrap.Unit(stratum: $0.0, value: $0.1) })
    return mean <= chance || interval.map { $0.low <= chance } ?? false
  }
}

/// What to call each cell's task: `perplexity/prefill`, with parameters that tell several of the same name apart.
struct TaskLabels {
  private struct Kind: Hashable {
    var task: String
    var taskProtocol: String?
  }

  private struct Place: Hashable {
    var kind: Kind
    var model: String
    var contextLength: Int
    var strategy: String
  }

  private var distinguishing: [Kind: [String]] = [:]

  init(_ rows: [ComparisonRow]) {
    // Defaults may depend on the context length, so only cells of the same place are held against each other.
    let places = Dictionary(grouping: rows) { row in
      Place(
        kind: Self.kind(of: row), model: row.planned.cell.model,
        contextLength: row.planned.cell.contextLength, strategy: row.planned.label)
    }
    for (place, cells) in places where cells.count > 1 {
      let parameters = cells.map { $0.planned.cell.taskParameters.objectValue ?? [:] }
      let keys = Set(parameters.flatMap(\.keys)).filter { key in
        Set(parameters.map { $0[key] ?? .null }).count > 1
      }
      distinguishing[place.kind] = Set(distinguishing[place.kind] ?? []).union(keys).sorted()
    }
  }

  func label(of row: ComparisonRow) -> String {
    let kind = Self.kind(of: row)
    var label = kind.task
    if let taskProtocol = kind.taskProtocol { label += "/\(taskProtocol)" }
    for key in distinguishing[kind] ?? [] where key != "protocol" {
      let value = row.planned.cell.taskParameters[key] ?? .null
      label += " \(key)=\(value.stringValue ?? value.canonicalText)"
    }
    return label
  }

  private static func kind(of row: ComparisonRow) -> Kind {
    Kind(task: row.planned.cell.task, taskProtocol: row.planned.cell.taskProtocol)
  }
}
