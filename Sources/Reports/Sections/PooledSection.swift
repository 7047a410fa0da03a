import Records

/// Texts, or RULER's tasks, taken together: what one says of a method over all of them.
extension ExperimentAnalysis {
  var pooledSection: ReportSection {
    // What full attention only guesses at says nothing of a method.
    let shown = rows.filter { !$0.row.units.isEmpty && !$0.isAtChance }
    let pools = shown.grouped(Pool.Key.init).map { Pool($0, $1) }.filter { $0.tasks.count > 1 }
    let columns: [ColumnRule<PooledStrategy>] = [
      .words("model") { .text($0.pool.model) }, .init("context") { .count($0.pool.contextLength) },
      .words("tasks") { .text($0.pool.title($0.cells.count)) },
      .words("strategy") { $0.cells[0].strategy },
      .init("KV cache ratio", .lower) { .number($0.bytesRatio, .fixed(3)) },
      .init("full") { .number($0.toFull.first, .fixed($0.toFull.decimals)) },
      .init("strategy") { .number($0.toFull.second, .fixed($0.toFull.decimals)) },
      .init("to full") { .difference($0.toFull) },
      .words("reference") { .text($0.toReference == nil ? "" : $0.reference ?? "") },
      .init("to the reference") { .difference($0.toReference) },
      .init("units") { .count($0.toFull.unitCount) },
      .init("scored") {
        .count($0.cells.reduce(0) { $0 + $1.row.units.reduce(0) { $0 + $1.tokens } })
      },
    ]
    return ReportSection(
      title: "All tasks of a kind together",
      text: [
        "The units of several cells pooled: the texts of perplexity (nats a token, lower is better), the tasks of a "
          + "family (score, higher is better). Differences are paired; intervals stratified by cell and sample. "
          + "Reference: the strategy whose use a budget matches; where there is one alone, others are held to it as well. "
          + "Only strategies with results in all of the cells; tasks at which full attention is at chance (‡) are left out."
      ], tables: [ReportTable(pools.flatMap(\.strategies), columns)])
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

    func title(_ count: Int) -> String {
      let kind = taskProtocol.map { "\(task)/\($0)" } ?? task
      return "\(kind), \(count) together" + (queryAware ? "" : ", not query-aware")
    }
  }

  let key: Key
  /// By the cell of full, one a task, in the order of the rows.
  let tasks: [String]
  private let groups: [(key: String, elements: [AnalysedRow])]
  /// By label: one cell for each task; labels that lack one are absent.
  private let complete: [String: [AnalysedRow]]

  init(_ key: Key, _ rows: [AnalysedRow]) {
    self.key = key
    let tasks = rows.map(\.row.planned.fullIdentity).uniqued
    let groups = rows.grouped(\.label)
    self.tasks = tasks
    self.groups = groups
    complete = Dictionary(
      uniqueKeysWithValues: groups.compactMap { label, rows in
        let cells = Dictionary(
          rows.map { ($0.row.planned.fullIdentity, $0) }, uniquingKeysWith: { $1 })
        let found = tasks.compactMap { cells[$0] }
        return found.count == tasks.count ? (label, found) : nil
      })
  }

  var strategies: [PooledStrategy] {
    let labels = groups.map(\.key)
    guard let full = labels.first(where: { complete[$0]?[0].row.isFull == true }),
      let dense = complete[full]
    else { return [] }
    let references = Set(labels.compactMap(reference(of:)))
    return labels.filter { $0 != full }.compactMap { label in
      guard let own = complete[label], let toFull = PairedDifference(from: dense, to: own) else {
        return nil
      }
      let only = references.count == 1 && !references.contains(label) ? references.first : nil
      let reference = reference(of: label) ?? only
      return PooledStrategy(
        pool: key, cells: own, toFull: toFull, reference: reference,
        toReference: reference.flatMap { complete[$0] }.flatMap {
          PairedDifference(from: $0, to: own)
        })
    }
  }

  /// The label of the cells whose use the label's budget matches.
  private func reference(of label: String) -> String? {
    guard let identity = complete[label]?[0].row.planned.matchedIdentity else { return nil }
    return groups.first { $0.elements.contains { $0.cell.identity == identity } }?.key
  }
}

/// One strategy over all cells of a pool.
private struct PooledStrategy {
  let pool: Pool.Key
  let cells: [AnalysedRow]
  let toFull: PairedDifference
  let reference: String?
  let toReference: PairedDifference?

  /// The mean over the cells; nil unless all have one.
  var bytesRatio: Double? {
    let ratios = cells.compactMap { $0.row[.kvCacheResidentBytesRatio] }
    return ratios.count == cells.count ? ratios.mean : nil
  }
}

extension PairedDifference {
  /// Of the units of several cells, the samples of each cell told apart.
  fileprivate init?(from first: [AnalysedRow], to second: [AnalysedRow]) {
    func pooled(_ cells: [AnalysedRow]) -> [ScoredUnit] {
      cells.enumerated().flatMap { place, cell in
        cell.row.units.map { unit in
          var unit = unit
          unit.sample = unit.sample * cells.count + place
          return unit
        }
      }
    }
    guard let figure = Self.figure(of: second[0].row.units) else { return nil }
    self.init(of: figure, from: pooled(first), to: pooled(second))
  }
}
