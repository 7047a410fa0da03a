import Records

/// Texts, or RULER's tasks, taken together: what one says of a method over all of them.
extension ExperimentAnalysis {
  var pooledSection: ReportSection {
    let table = ReportTable(
      columns: [
        .init("model", isNumeric: false), .init("context"), .init("tasks", isNumeric: false),
        .init("strategy", isNumeric: false), .init("KV cache ratio", .lower), .init("full"),
        .init("strategy"), .init("to full"), .init("reference", isNumeric: false),
        .init("to the reference"), .init("units", .neither), .init("scored", .neither),
      ], rows: pools.flatMap(\.rows)
    ).withoutEmptyColumns
    return ReportSection(
      "All tasks of a kind together",
      text: table.rows.isEmpty
        ? []
        : [
          "The units of several cells pooled: the texts of perplexity (nats a token, lower is better), the tasks of a "
            + "family (score, higher is better). Differences are paired; intervals stratified by cell and sample. "
            + "Reference: the strategy whose use a budget matches; where there is one alone, others are held to it as well. "
            + "Only strategies with results in all of the cells; tasks at which full attention is at chance (‡) are left out."
        ], tables: [table])
  }

  /// In the order of their first rows; kinds with a single task are none.
  private var pools: [Pool] {
    var places: [Pool.Key: Int] = [:]
    var pools: [Pool] = []
    // What full attention only guesses at says nothing of a method.
    for row in rows where !row.row.units.isEmpty && !row.isAtChance {
      let key = Pool.Key(row)
      let place = places[key, default: pools.count]
      if place == pools.count {
        places[key] = place
        pools.append(Pool(key: key))
      }
      pools[place].add(row)
    }
    return pools.filter { $0.tasks.count > 1 }
  }
}

/// Cells of one model, context length and kind of task.
private struct Pool {
  struct Key: Hashable {
    var model: String
    var contextLength: Int
    var task: String
    var taskProtocol: String?
    var queryAware: Bool

    init(_ row: AnalysedRow) {
      model = row.cell.model
      contextLength = row.cell.contextLength
      task = row.cell.task
      taskProtocol = row.cell.taskProtocol
      queryAware = row.cell.queryAware
    }
  }

  let key: Key
  /// By the cell of full, one a task, in the order of the rows.
  private(set) var tasks: [String] = []
  private var labels: [String] = []
  /// By label and task.
  private var cells: [String: [String: AnalysedRow]] = [:]

  init(key: Key) { self.key = key }

  mutating func add(_ row: AnalysedRow) {
    let task = row.row.planned.fullIdentity
    if !tasks.contains(task) { tasks.append(task) }
    if cells[row.row.planned.label] == nil { labels.append(row.row.planned.label) }
    cells[row.row.planned.label, default: [:]][task] = row
  }

  private var title: String {
    let kind = key.taskProtocol.map { "\(key.task)/\($0)" } ?? key.task
    return "\(kind), \(tasks.count) together" + (key.queryAware ? "" : ", not query-aware")
  }

  var rows: [[String]] {
    guard let full = labels.first(where: { cells[$0]?.values.contains { $0.row.isFull } == true }),
      let dense = rows(of: full)
    else { return [] }
    let references = Set(labels.compactMap(reference(of:)))
    return labels.filter { $0 != full }.compactMap { label in
      guard let own = rows(of: label), let figure = PairedDifference.figure(of: own[0].row.units),
        let toFull = PairedDifference(of: figure, from: Self.pooled(dense), to: Self.pooled(own))
      else { return nil }
      let only = references.count == 1 && !references.contains(label) ? references.first : nil
      let reference = reference(of: label) ?? only
      let toReference = reference.flatMap(rows).flatMap {
        PairedDifference(of: figure, from: Self.pooled($0), to: Self.pooled(own))
      }
      let decimals = figure == .score ? 3 : 4
      let ratios = own.compactMap { $0.row[.kvCacheResidentBytesRatio] }
      return [
        key.model, NumberText.count(key.contextLength), title, own[0].strategy,
        NumberText.fixed(
          ratios.count == own.count ? ratios.reduce(0, +) / Double(ratios.count) : nil, 3),
        NumberText.fixed(toFull.first, decimals), NumberText.fixed(toFull.second, decimals),
        Self.text(toFull, decimals), toReference == nil ? "" : reference ?? "",
        toReference.map { Self.text($0, decimals) } ?? NumberText.missing,
        NumberText.count(toFull.unitCount),
        NumberText.count(own.reduce(0) { $0 + $1.row.units.reduce(0) { $0 + $1.tokens } }),
      ]
    }
  }

  /// The label of the cells whose use the label's budget matches.
  private func reference(of label: String) -> String? {
    guard let identity = rows(of: label)?[0].row.planned.matchedIdentity else { return nil }
    return labels.first { cells[$0]?.values.contains { $0.cell.identity == identity } == true }
  }

  /// The label's cells, one for each task; nil unless all are there.
  private func rows(of label: String) -> [AnalysedRow]? {
    let found = tasks.compactMap { cells[label]?[$0] }
    return found.count == tasks.count ? found : nil
  }

  /// Units of several cells, the samples of each cell told apart.
  private static func pooled(_ cells: [AnalysedRow]) -> [ScoredUnit] {
    cells.enumerated().flatMap { place, cell in
      cell.row.units.map { unit in
        var unit = unit
        unit.sample = unit.sample * cells.count + place
        return unit
      }
    }
  }

  private static func text(_ difference: PairedDifference, _ decimals: Int) -> String {
    NumberText.with(
      NumberText.signed(difference.mean, decimals),
      NumberText.interval(difference.interval) { NumberText.signed($0, decimals) })
  }
}
