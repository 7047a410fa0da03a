import Records

/// The tables of a comparison of two strategies or runs.
struct PairTables {
  var pairs: [ComparedPair]
  var experiment: String
  /// True where rows differ in their strategies: in a comparison of runs, or of all labels of a name.
  var namesStrategies: Bool

  var sections: [ReportSection] {
    [
      ReportSection("\(experiment): quality", tables: [quality]),
      ReportSection("\(experiment): approximation and memory", tables: [approximation]),
      ReportSection("\(experiment): time", tables: [times]),
    ].filter { !$0.isEmpty }
  }

  private var nameColumns: [ReportTable.Column] {
    Array(AnalysedRow.nameColumns.prefix(namesStrategies ? 4 : 3))
  }

  private func names(_ pair: ComparedPair) -> [String] {
    var names = Array(pair.first.names.prefix(3))
    if pair.looksAhead { names[2] += " †" }
    return namesStrategies ? names + [pair.strategies] : names
  }

  private func difference(_ pair: ComparedPair) -> PairedDifference? {
    PairedDifference.figure(of: pair.first.row.units).flatMap {
      PairedDifference(of: $0, from: pair.first.row.units, to: pair.second.row.units)
    }
  }

  private var quality: ReportTable {
    ReportTable(
      columns: nameColumns + [
        .init("figure", isNumeric: false), .init("A"), .init("B"), .init("difference"),
        .init("95 % interval"), .init("perplexity ratio", .lower), .init("units up / down / same"),
        .init("sign test p"), .init("samples"), .init("better", isNumeric: false),
      ],
      rows: pairs.compactMap { pair in
        guard let difference = difference(pair) else { return nil }
        let isScore = difference.figure == .score
        let decimals = isScore ? 3 : 4
        let interval = NumberText.interval(difference.interval) { NumberText.signed($0, decimals) }
        return names(pair) + [
          isScore ? "score ↑" : "negative log-likelihood, nats/token ↓",
          NumberText.fixed(difference.first, decimals),
          NumberText.fixed(difference.second, decimals),
          NumberText.signed(difference.mean, decimals),
          interval.isEmpty ? "none (\(difference.unitCount) units)" : interval,
          NumberText.with(
            NumberText.fixed(difference.perplexityRatio, 4),
            NumberText.interval(difference.perplexityRatioInterval) { NumberText.fixed($0, 4) }),
          "\(difference.signs.up) / \(difference.signs.down) / \(difference.signs.ties)",
          NumberText.significant(difference.signs.pValue),
          NumberText.count(difference.sampleCount),
          difference.interval == nil
            ? "not known" : ["B", "neither beyond the interval", "A"][difference.verdict + 1],
        ]
      }
    ).withoutEmptyColumns
  }

  private static let sideBySide:
    [(name: String, unit: String, column: ComparisonColumn, text: @Sendable (Double?) -> String)] =
      [
        ("output error", "", .relativeOutputError, NumberText.significant),
        ("dropped mass", "", .droppedMass, NumberText.significant),
        ("density", "", .density, { NumberText.fixed($0, 3) }),
        ("KV cache", "MiB", .kvCacheResidentBytes, NumberText.mebibytes),
        ("peak resident", "MiB", .peakResidentBytes, NumberText.mebibytes),
      ]

  private var approximation: ReportTable {
    let table = ReportTable(
      columns: nameColumns
        + Self.sideBySide.flatMap { figure in
          ["A", "B"].map { .init("\($0) \(figure.name)", unit: figure.unit, .lower) }
        },
      rows: pairs.map { pair in
        names(pair)
          + Self.sideBySide.flatMap { figure in
            [pair.first, pair.second].map { figure.text($0.row[figure.column]) }
          }
      }
    ).withoutEmptyColumns
    return table.columns.count > nameColumns.count
      ? table : ReportTable(columns: table.columns, rows: [])
  }

  private static let shownTimes: [(name: String, figure: TimeFigure)] = [
    ("first token", .timeToFirstToken), ("next token", .timePerOutputToken),
    ("attention", .attentionTime), ("attention and selection", .attentionAndSelectionTime),
  ]

  private var times: ReportTable {
    var cells: [[String]] = []
    for pair in pairs {
      for (name, figure) in Self.shownTimes {
        let spreads = [pair.first, pair.second].map { analysed in
          pair.group.flatMap { Spread(figure, of: analysed.cell.identity, in: $0) }
            ?? analysed.times[figure]
        }
        guard spreads.allSatisfy({ $0 != nil }) else { continue }
        let ratio = pair.group.flatMap {
          Spread(
            ratioOf: figure, of: pair.second.cell.identity, to: pair.first.cell.identity, in: $0)
        }
        cells.append(
          names(pair) + [name]
            + spreads.map { NumberText.spread($0) { NumberText.milliseconds($0) } }
            + [
              NumberText.spread(ratio) { NumberText.fixed($0, 3) },
              NumberText.count(ratio?.count ?? spreads[1]?.count ?? 0),
            ])
      }
    }
    return ReportTable(
      columns: nameColumns + [
        .init("time", isNumeric: false), .init("A", unit: "ms", .lower),
        .init("B", unit: "ms", .lower), .init("ratio", .lower), .init("repeats", .neither),
      ], rows: cells
    ).withoutEmptyColumns
  }

  /// The differences for programs.
  var data: DataTable {
    DataTable(
      "difference",
      columns: [
        "experiment", "model", "context_length", "task", "protocol", "a", "b", "figure", "a_value",
        "b_value", "difference", "difference_low", "difference_high", "units_up", "units_down",
        "units_same", "sign_test_p", "unit_count", "sample_count", "a_cell", "b_cell",
      ],
      rows: pairs.compactMap { pair in
        guard let difference = difference(pair) else { return nil }
        return [
          .text(experiment), .text(pair.first.cell.model), .integer(pair.first.cell.contextLength),
          .text(pair.first.cell.task), .init(pair.first.cell.taskProtocol),
          .text(pair.first.row.planned.label), .text(pair.second.row.planned.label),
          .text(difference.figure.rawValue), .number(difference.first),
          .number(difference.second), .number(difference.mean), .init(difference.interval?.low),
          .init(difference.interval?.high), .integer(difference.signs.up),
          .integer(difference.signs.down), .integer(difference.signs.ties),
          .number(difference.signs.pValue), .integer(difference.unitCount),
          .integer(difference.sampleCount), .text(pair.first.cell.identity),
          .text(pair.second.cell.identity),
        ]
      })
  }
}
