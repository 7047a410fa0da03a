import Records

/// The tables of a comparison of two strategies or runs, narrow enough for a terminal: what tells rows apart stands
/// above them.
struct PairTables {
  let pairs: [ComparedPair]
  let experiment: String
  /// True where rows differ in their strategies: for runs, and for all labels of a name.
  let namesStrategies: Bool
  let primary: PrimaryLabels

  var verdicts: [PairVerdict] { PairVerdict.all(of: pairs) }

  var sections: [ReportSection] {
    [
      ReportSection(title: "\(experiment): quality", tables: [quality, pooled]),
      ReportSection(title: "\(experiment): approximation and memory", tables: [approximation]),
      ReportSection(title: "\(experiment): time", tables: [times]),
    ].filter { !$0.isEmpty }
  }

  private var names: [ColumnRule<ComparedPair>] {
    [
      .init("model", .neither, .group) { .text($0.first.cell.model) },
      .init("context", unit: "tokens", .neither, .group) { .count($0.first.cell.contextLength) },
      .init("task", .neither, .group) { $0.task },
    ]
      + (namesStrategies ? [.init("strategy", .neither, .group) { .text($0.strategies) }] : [])
  }

  // MARK: Quality

  private typealias Compared = (pair: ComparedPair, difference: PairedDifference)

  private var compared: [Compared] {
    pairs.compactMap { pair in pair.difference.map { (pair, $0) } }
  }

  /// What a difference says, and who is better.
  ///
  /// - Parameter saysNothing: whether nobody is, whatever the numbers are.
  private static func differences<Subject>(
    _ difference: @escaping (Subject) -> PairedDifference,
    saysNothing: @escaping (Subject) -> Bool
  ) -> [ColumnRule<Subject>] {
    let figures: [ColumnRule<PairedDifference>] = [
      .init("figure", .neither, .group) {
        $0.figure == .score ? "score ↑" : "nats a token ↓"
      },
      .init("A") { .number($0.first, .fixed($0.decimals)) },
      .init("B") { .number($0.second, .fixed($0.decimals)) },
      .init("B − A") { .difference($0) },
      .words("over") { .text($0.clusters) },
      .init("up / down\n/ same") { "\($0.up) / \($0.down) / \($0.same)" },
    ]
    let better = ColumnRule<Subject>.words("better") { subject -> ReportCell in
      let found = difference(subject)
      if saysNothing(subject) || found.pValue == nil { return "not known" }
      return .text(["B", "not decided", "A"][found.verdict + 1])
    }
    return figures.map { $0.of(difference) } + [better]
  }

  /// Nothing where no contrast is primary: then all are exploratory.
  private func contrast<Subject>(
    _ word: @escaping (Subject) -> ReportCell
  ) -> [ColumnRule<Subject>] {
    let isNamed = pairs.contains { primary.word($0.first.label, $0.second.label) == "primary" }
    return isNamed ? [.init("contrast", .neither, .group, word)] : []
  }

  private var quality: ReportTable {
    // What stands in a pool is decided there.
    let pooled = Set(PooledPair.all(of: pairs).flatMap(\.pairs).map(\.second.cell.identity))
    let contrast: [ColumnRule<ComparedPair>] = contrast { [primary] pair in
      pooled.contains(pair.second.cell.identity) || !pair.later.isEmpty
        ? "exploratory" : primary.word(pair.first.label, pair.second.label)
    }
    let differences: [ColumnRule<Compared>] = Self.differences(
      { $0.difference }, saysNothing: { !$0.pair.later.isEmpty })
    return ReportTable(
      compared,
      names.map { $0.of(\.pair) } + differences + contrast.map { $0.of(\.pair) })
  }

  private var pooled: ReportTable {
    let names: [ColumnRule<PooledPair>] =
      [
        .init("model", .neither, .group) { .text($0.pool.model) },
        .init("context", unit: "tokens", .neither, .group) { .count($0.pool.contextLength) },
        .init("tasks", .neither, .group) { .text($0.title) },
      ]
      + (namesStrategies
        ? [.init("strategy", .neither, .group) { .text($0.pairs[0].strategies) }] : [])
    let contrast: [ColumnRule<PooledPair>] = contrast { [primary] pool in
      pool.pairs.contains { !$0.later.isEmpty }
        ? "exploratory" : primary.word(pool.pairs[0].first.label, pool.pairs[0].second.label)
    }
    let differences: [ColumnRule<PooledPair>] = Self.differences(
      { $0.difference }, saysNothing: { pool in pool.pairs.contains { !$0.later.isEmpty } })
    return ReportTable(PooledPair.all(of: pairs), names + differences + contrast)
  }

  // MARK: Approximation and memory

  private struct Figure {
    let pair: ComparedPair
    let name: String
    let first: Double?
    let second: Double?
    let format: NumberFormat
  }

  private static let figures: [(name: String, column: ComparisonColumn, format: NumberFormat)] = [
    ("output error", .relativeOutputError, .significant),
    ("dropped mass", .droppedMass, .significant), ("density", .density, .fixed(3)),
    ("KV cache after the prompt, MiB", .kvCacheResidentBytes, .mebibytes),
    ("its mean while decoding, MiB", .meanKVCacheResidentBytes, .mebibytes),
    ("its peak, MiB", .peakKVCacheResidentBytes, .mebibytes),
    ("peak resident, MiB", .peakResidentBytes, .mebibytes),
  ]

  private var approximation: ReportTable {
    let rows = pairs.flatMap { pair in
      Self.figures.map { name, column, format in
        let arrow = column.polarity.arrow
        return Figure(
          pair: pair, name: arrow.isEmpty ? name : "\(name) \(arrow)",
          first: pair.first.row[column], second: pair.second.row[column], format: format)
      }
    }
    return ReportTable(
      rows.filter { $0.first != nil || $0.second != nil },
      names.map { $0.of(\.pair) } + [
        .words("figure") { .text($0.name) }, .init("A") { .number($0.first, $0.format) },
        .init("B") { .number($0.second, $0.format) },
        .init("B / A") { row in
          guard let first = row.first, let second = row.second, first != 0 else { return .missing }
          return .number(second / first, .fixed(3))
        },
      ])
  }

  // MARK: Time

  private struct Times {
    let pair: ComparedPair
    let name: String
    let first: Spread
    let second: Spread
    let ratio: Spread?

    /// Nil where one of the two was not timed.
    init?(_ pair: ComparedPair, _ name: String, _ figure: TimeFigure) {
      func spread(_ analysed: AnalysedRow) -> Spread? {
        pair.group.flatMap {
          Spread($0.samples(of: analysed.cell.identity).compactMap(figure.value))
        } ?? analysed.times[figure]
      }
      guard let first = spread(pair.first), let second = spread(pair.second) else { return nil }
      self.pair = pair
      self.name = name
      self.first = first
      self.second = second
      ratio = pair.group.flatMap {
        Spread(
          ratios: $0.ratios(
            figure, of: pair.second.cell.identity, to: pair.first.cell.identity))
      }
    }

    /// With quartiles where no ratio says how sure a difference is.
    func time(_ spread: Spread) -> ReportCell {
      ratio == nil ? .median(spread, .milliseconds) : .number(spread.median, .milliseconds)
    }
  }

  private var times: ReportTable {
    let shown: [(name: String, figure: TimeFigure)] = [
      ("first token", .timeToFirstToken), ("next token", .timePerOutputToken),
      ("attention", .attentionTime), ("attention and selection", .attentionAndSelectionTime),
    ]
    let columns: [ColumnRule<Times>] =
      names.map { $0.of(\.pair) } + [
        .words("time") { .text($0.name) }, .init("A", unit: "ms", .lower) { $0.time($0.first) },
        .init("B", unit: "ms", .lower) { $0.time($0.second) },
        .init("B / A", .lower) { .median($0.ratio, .fixed(3)) },
        .init("repeats") { .count($0.ratio?.count ?? $0.second.count) },
      ]
    return ReportTable(
      pairs.flatMap { pair in shown.compactMap { Times(pair, $0.name, $0.figure) } }, columns)
  }

  // MARK: For programs

  /// The differences.
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
