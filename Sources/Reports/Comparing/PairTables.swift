import Records

/// The same place of the grid under two strategies, or in two runs.
struct ComparedPair {
  let first: AnalysedRow
  let second: AnalysedRow
  /// The newest timing group that holds counted samples of both; nil where there is none.
  let group: TimingGroup?
  let difference: PairedDifference?

  init(_ first: AnalysedRow, _ second: AnalysedRow, group: TimingGroup? = nil) {
    self.first = first
    self.second = second
    self.group = group
    difference = PairedDifference(from: first.row, to: second.row)
  }

  /// The label of both, or of A and of B.
  var strategies: String { [first.label, second.label].uniqued.joined(separator: " / ") }

  /// Marked where either side scored tokens that its selection had seen.
  var task: ReportCell {
    let looksAhead = first.looksAhead || second.looksAhead
    return .text(
      first.task,
      marks: (first.isAtChance ? [.atChance] : []) + (looksAhead ? [.looksAhead] : []))
  }
}

/// The tables of a comparison of two strategies or runs.
struct PairTables {
  let pairs: [ComparedPair]
  let experiment: String
  /// True where rows differ in their strategies: for runs, and for all labels of a name.
  let namesStrategies: Bool
  let primary: PrimaryLabels

  var sections: [ReportSection] {
    [
      ReportSection(title: "\(experiment): quality", tables: [quality, pooled]),
      ReportSection(title: "\(experiment): approximation and memory", tables: [approximation]),
      ReportSection(title: "\(experiment): time", tables: [times]),
    ].filter { !$0.isEmpty }
  }

  private var names: [ColumnRule<ComparedPair>] {
    ColumnRule.places.prefix(2).map { $0.of(\.first) } + [.words("task") { $0.task }]
      + (namesStrategies ? [.words("strategy") { .text($0.strategies) }] : [])
  }

  private typealias Compared = (pair: ComparedPair, difference: PairedDifference)

  private var compared: [Compared] {
    pairs.compactMap { pair in pair.difference.map { (pair, $0) } }
  }

  private static var differences: [ColumnRule<PairedDifference>] {
    ColumnRule.paired("A", "B") + [
      .words("better") {
        $0.pValue == nil ? "not known" : .text(["B", "not decided", "A"][$0.verdict + 1])
      }
    ]
  }

  private var quality: ReportTable {
    // What stands in a pool is decided there.
    let pooled = Set(pools.flatMap(\.pairs).map(\.second.cell.identity))
    let contrast = ColumnRule<ComparedPair>.words("contrast") { [primary] pair in
      pooled.contains(pair.second.cell.identity)
        ? "exploratory" : primary.word(pair.first.label, pair.second.label)
    }
    return ReportTable(
      compared,
      (names + [contrast]).map { $0.of(\.pair) } + Self.differences.map { $0.of(\.difference) })
  }

  private typealias PooledPair = (
    pool: Pool.Key, pairs: [ComparedPair], difference: PairedDifference
  )

  /// The texts, or tasks of a family, on which the same two meet, taken together.
  private var pools: [PooledPair] {
    compared.map(\.pair).filter { !$0.first.isAtChance }
      .grouped {
        PairedKey(pool: Pool.Key($0.first), labels: [$0.first.label, $0.second.label])
      }
      .compactMap { key, pairs -> PooledPair? in
        guard pairs.count > 1 else { return nil }
        return PairedDifference(from: pairs.map(\.first), to: pairs.map(\.second)).map {
          (key.pool, pairs, $0)
        }
      }
  }

  private var pooled: ReportTable {
    let columns: [ColumnRule<PooledPair>] =
      [
        .words("model") { .text($0.pool.model) },
        .init("context") { .count($0.pool.contextLength) },
        .words("tasks") { .text("\($0.pool.kind), \($0.pairs.count) together") },
      ] + (namesStrategies ? [.words("strategy") { .text($0.pairs[0].strategies) }] : [])
      + [
        .words("contrast") { [primary] in
          primary.word($0.pairs[0].first.label, $0.pairs[0].second.label)
        }
      ]
    return ReportTable(pools, columns + Self.differences.map { $0.of(\.difference) })
  }

  private struct PairedKey: Hashable {
    let pool: Pool.Key
    let labels: [String]
  }

  private var approximation: ReportTable {
    let figures: [ColumnRule<AnalysedRow>] = [
      .figure("output error", .relativeOutputError, .significant),
      .figure("dropped mass", .droppedMass, .significant), .figure("density", .density, .fixed(3)),
      .figure("KV cache", .kvCacheResidentBytes, .mebibytes),
      .figure("peak resident", .peakResidentBytes, .mebibytes),
    ]
    let table = ReportTable(
      pairs,
      names + figures.flatMap { [$0.of(\.first, "A "), $0.of(\.second, "B ")] })
    return table.columns.count > names.count ? table : ReportTable()
  }

  private struct Times {
    let pair: ComparedPair
    let name: String
    let first: Spread
    let second: Spread
    let ratio: Spread?

    /// Nil where one of the two was not timed.
    init?(_ pair: ComparedPair, _ name: String, _ figure: TimeFigure) {
      func spread(_ analysed: AnalysedRow) -> Spread? {
        pair.group.flatMap { Spread(figure, of: analysed.cell.identity, in: $0) }
          ?? analysed.times[figure]
      }
      guard let first = spread(pair.first), let second = spread(pair.second) else { return nil }
      self.pair = pair
      self.name = name
      self.first = first
      self.second = second
      ratio = pair.group.flatMap {
        Spread(
          ratioOf: figure, of: pair.second.cell.identity, to: pair.first.cell.identity, in: $0)
      }
    }
  }

  private var times: ReportTable {
    let shown: [(name: String, figure: TimeFigure)] = [
      ("first token", .timeToFirstToken), ("next token", .timePerOutputToken),
      ("attention", .attentionTime), ("attention and selection", .attentionAndSelectionTime),
    ]
    let columns: [ColumnRule<Times>] =
      names.map { $0.of(\.pair) } + [
        .words("time") { .text($0.name) },
        .init("A", unit: "ms", .lower) { .median($0.first, .milliseconds) },
        .init("B", unit: "ms", .lower) { .median($0.second, .milliseconds) },
        .init("ratio", .lower) { .median($0.ratio, .fixed(3)) },
        .init("repeats") { .count($0.ratio?.count ?? $0.second.count) },
      ]
    return ReportTable(
      pairs.flatMap { pair in shown.compactMap { Times(pair, $0.name, $0.figure) } }, columns)
  }

  /// The differences for programs.
  var data: DataTable {
    let experiment = experiment
    let places: [DataColumn<ComparedPair>] = [
      .init("experiment") { _ in experiment }, .init("model") { $0.first.cell.model },
      .init("context_length") { $0.first.cell.contextLength },
      .init("task") { $0.first.cell.task }, .init("protocol") { $0.first.cell.taskProtocol },
      .init("a") { $0.first.label }, .init("b") { $0.second.label },
    ]
    let difference = DataColumn.difference("a_value", "b_value") + DataColumn.differenceCounts
    let cells: [DataColumn<ComparedPair>] = [
      .init("a_cell") { $0.first.cell.identity }, .init("b_cell") { $0.second.cell.identity },
    ]
    return DataTable(
      "difference", compared,
      places.map { $0.of(\.pair) } + difference.map { $0.of(\.difference) }
        + cells.map { $0.of(\.pair) })
  }
}
