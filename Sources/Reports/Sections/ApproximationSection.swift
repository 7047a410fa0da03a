import Records

/// The errors of one cell in one setting and phase.
private struct MeasuredErrors {
  let analysed: AnalysedRow
  let setting: ErrorSetting
  let phase: MeasuredPhase

  /// Isolated figures of the prefill have names of their own, the others a prefix.
  subscript(column: ComparisonColumn) -> Double? {
    let prefix =
      (setting == .propagated ? "propagated_" : "") + (phase == .decode ? "decode_" : "")
    return ComparisonColumn(rawValue: prefix + column.rawValue).flatMap { analysed.row[$0] }
  }

  static let errors: [ComparisonColumn] = [
    .relativeOutputError, .worstRelativeOutputError, .outputCosine, .droppedMass, .worstDroppedMass,
  ]

  var isMeasured: Bool { Self.errors.contains { self[$0] != nil } }

  var boundRatio: Double? {
    analysed.row.heads.filter { $0.setting == setting && $0.phase == phase }
      .compactMap(\.boundRatio).max()
  }
}

extension ColumnRule where Subject == MeasuredErrors {
  fileprivate static func error(
    _ name: String, _ column: ComparisonColumn, _ format: NumberFormat
  ) -> Self {
    Self(name, column.polarity) { .number($0[column], format) }
  }
}

extension ExperimentAnalysis {
  /// Errors setting by setting and phase by phase.
  var approximationSection: ReportSection {
    let places = MeasuredPhase.allCases.flatMap { phase in
      ErrorSetting.allCases.map { (setting: $0, phase: phase) }
    }
    let measured = rows.filter { !$0.row.isFull }.flatMap { analysed in
      places.map { MeasuredErrors(analysed: analysed, setting: $0.setting, phase: $0.phase) }
    }.filter(\.isMeasured)
    let columns: [ColumnRule<MeasuredErrors>] =
      ColumnRule.names.map { $0.of(\.analysed) } + [
        .words("setting") { .text($0.setting.rawValue) },
        .words("phase") { .text($0.phase.rawValue) },
        .error("output error", .relativeOutputError, .significant),
        .error("worst query", .worstRelativeOutputError, .significant),
        .error("cosine", .outputCosine, .fixed(4)),
        .error("dropped mass", .droppedMass, .significant),
        .error("worst query's", .worstDroppedMass, .significant),
        .init("bound ratio") { .number($0.boundRatio, .fixed(3)) },
        .error("density", .density, .fixed(3)),
        .error("nominal density", .nominalDensity, .fixed(3)),
      ]
    return ReportSection(
      title: "Approximation",
      text: [
        "Isolated: every layer gets the dense input. Propagated: errors build up as in use. Worst query: the largest "
          + "of any query, layer and head. Bound ratio: error over its bound 2γM, at most 1."
      ] + Self.otherLogits(measured), tables: [ReportTable(measured, columns)])
  }

  /// Which strategies have no dropped mass, and why; empty where all have one.
  private static func otherLogits(_ measured: [MeasuredErrors]) -> [String] {
    let lacking = measured.filter { $0[.relativeOutputError] != nil && $0[.droppedMass] == nil }
    if lacking.isEmpty { return [] }
    return [
      "No dropped mass and no bound ratio (\(NumberFormat.missing)), since the logits are not the dense ones: "
        + lacking.map(\.analysed.label).uniqued.joined(separator: ", ")
        + ". Compare their output error."
    ]
  }
}
