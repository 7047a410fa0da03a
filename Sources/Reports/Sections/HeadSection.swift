import Records

/// Where a cell's error sits: isolated, in the prefill.
private struct HeadErrors {
  let analysed: AnalysedRow
  /// The largest error first.
  let heads: [HeadMeasurement]
  let median: Double
  /// The smallest mean error first; at least one.
  let layers: [(layer: Int, error: Double)]

  /// Nil where no head was measured.
  init?(_ analysed: AnalysedRow) {
    let heads = analysed.row.heads.filter { $0.setting == .isolated && $0.phase == .prefill }
    guard let median = heads.map(\.relativeOutputError).quantile(0.5) else { return nil }
    self.analysed = analysed
    self.median = median
    self.heads = heads.sorted {
      ($1.relativeOutputError, $0.layer, $0.queryHead)
        < ($0.relativeOutputError, $1.layer, $1.queryHead)
    }
    layers = Dictionary(grouping: heads, by: \.layer)
      .map { ($0, $1.reduce(0) { $0 + $1.relativeOutputError } / Double($1.count)) }
      .sorted { ($0.1, $0.0) < ($1.1, $1.0) }
  }

  static func text(_ place: String, _ error: Double?) -> String {
    "\(place): \(NumberFormat.significant.text(error))"
  }
}

extension ExperimentAnalysis {
  /// The worst layers and heads of each cell.
  var headSection: ReportSection {
    let columns: [ColumnRule<HeadErrors>] =
      ColumnRule.names.map { $0.of(\.analysed) } + [
        .init("median head", .lower) { .number($0.median, .significant) },
        .init("heads over twice the median", .lower) { errors in
          .count(
            errors.heads.count { $0.relativeOutputError > 2 * errors.median },
            note: "of \(errors.heads.count)")
        },
        .words("best layer") {
          .text(HeadErrors.text("\($0.layers[0].layer)", $0.layers[0].error))
        },
        .words("worst layer") {
          .text(HeadErrors.text("\($0.layers.last?.layer ?? 0)", $0.layers.last?.error))
        },
        .words("worst heads") {
          .text(
            $0.heads.prefix(3)
              .map { HeadErrors.text("\($0.layer)/\($0.queryHead)", $0.relativeOutputError) }
              .joined(separator: ", "))
        },
      ]
    return ReportSection(
      title: "Error by layer and head",
      text: [
        "Output error, isolated, in the prefill. Heads as layer/query head, counted from 0."
      ],
      tables: [ReportTable(rows.filter { !$0.row.isFull }.compactMap(HeadErrors.init), columns)])
  }
}
