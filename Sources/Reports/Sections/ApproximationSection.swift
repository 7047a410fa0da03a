import Records

extension ExperimentAnalysis {
  private struct Family {
    var setting: ErrorSetting
    var phase: MeasuredPhase
    var columns: [ComparisonColumn]
    var density: ComparisonColumn?
    var nominalDensity: ComparisonColumn?
  }

  private static let families = [
    Family(
      setting: .isolated, phase: .prefill,
      columns: [
        .relativeOutputError, .worstRelativeOutputError, .outputCosine, .droppedMass,
        .worstDroppedMass,
      ], density: .density, nominalDensity: .nominalDensity),
    Family(
      setting: .propagated, phase: .prefill,
      columns: [
        .propagatedRelativeOutputError, .propagatedWorstRelativeOutputError,
        .propagatedOutputCosine, .propagatedDroppedMass, .propagatedWorstDroppedMass,
      ]),
    Family(
      setting: .isolated, phase: .decode,
      columns: [
        .decodeRelativeOutputError, .decodeWorstRelativeOutputError, .decodeOutputCosine,
        .decodeDroppedMass, .decodeWorstDroppedMass,
      ], density: .decodeDensity, nominalDensity: .decodeNominalDensity),
    Family(
      setting: .propagated, phase: .decode,
      columns: [
        .propagatedDecodeRelativeOutputError, .propagatedDecodeWorstRelativeOutputError,
        .propagatedDecodeOutputCosine, .propagatedDecodeDroppedMass,
        .propagatedDecodeWorstDroppedMass,
      ]),
  ]

  /// Errors setting by setting and phase by phase.
  var approximationSection: ReportSection {
    let columns =
      AnalysedRow.nameColumns + [
        .init("setting", isNumeric: false), .init("phase", isNumeric: false),
        .init("output error", .lower), .init("worst query", .lower), .init("cosine", .higher),
        .init("dropped mass", .lower), .init("worst query's", .lower),
        .init("bound ratio", .neither), .init("density", .lower),
        .init("nominal density", .lower),
      ]
    var cells: [[String]] = []
    for analysed in rows where !analysed.row.isFull {
      for family in Self.families {
        let figures = family.columns.map { analysed.row[$0] }
        guard figures.contains(where: { $0 != nil }) else { continue }
        cells.append(
          analysed.names + [
            family.setting.rawValue, family.phase.rawValue, NumberText.significant(figures[0]),
            NumberText.significant(figures[1]), NumberText.fixed(figures[2], 4),
            NumberText.significant(figures[3]), NumberText.significant(figures[4]),
            NumberText.fixed(boundRatio(analysed, family), 3),
            NumberText.fixed(family.density.flatMap { analysed.row[$0] }, 3),
            NumberText.fixed(family.nominalDensity.flatMap { analysed.row[$0] }, 3),
          ])
      }
    }
    return ReportSection(
      "Approximation",
      text: cells.isEmpty
        ? []
        : [
          "Isolated: every layer gets the dense input. Propagated: errors build up as in use. Worst query: the largest "
            + "of any query, layer and head. Bound ratio: error over its bound 2γM, at most 1."
        ] + otherLogits, tables: [ReportTable(columns: columns, rows: cells).withoutEmptyColumns])
  }

  /// Which strategies have no dropped mass, and why; empty where all have one.
  private var otherLogits: [String] {
    var labels: [String] = []
    for analysed in rows where !analysed.row.isFull {
      let lacksMass = Self.families.contains {
        analysed.row[$0.columns[0]] != nil && analysed.row[$0.columns[3]] == nil
      }
      if lacksMass, !labels.contains(analysed.row.planned.label) {
        labels.append(analysed.row.planned.label)
      }
    }
    if labels.isEmpty { return [] }
    return [
      "No dropped mass and no bound ratio (\(NumberText.missing)), since the logits are not the dense ones: "
        + labels.joined(separator: ", ") + ". Compare their output error."
    ]
  }

  private func boundRatio(_ analysed: AnalysedRow, _ family: Family) -> Double? {
    analysed.row.heads.filter { $0.setting == family.setting && $0.phase == family.phase }
      .compactMap(\.boundRatio).max()
  }

  /// Where the error sits: the worst layers and heads of each cell, isolated, in the prefill.
  var headSection: ReportSection {
    let columns =
      AnalysedRow.nameColumns + [
        .init("median head", .lower), .init("heads over twice the median", .lower),
        .init("best layer", isNumeric: false), .init("worst layer", isNumeric: false),
        .init("worst heads", isNumeric: false),
      ]
    let cells = rows.filter { !$0.row.isFull }.compactMap { analysed -> [String]? in
      let heads = analysed.row.heads.filter { $0.setting == .isolated && $0.phase == .prefill }
      guard !heads.isEmpty else { return nil }
      let median = Quantile.of(sorted: heads.map(\.relativeOutputError).sorted(), at: 0.5)
      let layers = Dictionary(grouping: heads, by: \.layer)
        .map { layer, heads in
          (
            layer: layer,
            error: heads.reduce(0) { $0 + $1.relativeOutputError } / Double(heads.count)
          )
        }
        .sorted { ($0.error, $0.layer) < ($1.error, $1.layer) }
      let worst = heads.sorted {
        ($1.relativeOutputError, $0.layer, $0.queryHead)
          < ($0.relativeOutputError, $1.layer, $1.queryHead)
      }.prefix(3)
      func text(_ layer: (layer: Int, error: Double)?) -> String {
        layer.map { "\($0.layer): \(NumberText.significant($0.error))" } ?? NumberText.missing
      }
      let outliers = heads.count { $0.relativeOutputError > 2 * median }
      return analysed.names + [
        NumberText.significant(median), "\(outliers) of \(heads.count)",
        text(layers.first), text(layers.last),
        worst.map {
          "\($0.layer)/\($0.queryHead): \(NumberText.significant($0.relativeOutputError))"
        }.joined(separator: ", "),
      ]
    }
    return ReportSection(
      "Error by layer and head",
      text: cells.isEmpty
        ? []
        : ["Output error, isolated, in the prefill. Heads as layer/query head, counted from 0."],
      tables: [ReportTable(columns: columns, rows: cells)])
  }
}
