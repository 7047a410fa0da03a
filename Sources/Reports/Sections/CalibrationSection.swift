import Records

extension ExperimentAnalysis {
  /// The calibrations that the strategies may have used.
  var calibrationSection: ReportSection {
    let columns: [ColumnRule<CalibrationRecord>] = [
      .words("strategy") { .text($0.strategy) }, .words("model") { .text($0.model) },
      .words("corpus") { "\($0.corpus) (SHA-256 \(String($0.corpusDigest.prefix(12))))" },
      .init("tokens") { .count($0.tokens) }, .words("options") { .text($0.options.canonicalText) },
      .words("identity") { .text(String($0.identity.prefix(12))) },
    ]
    return ReportSection(title: "Calibration", tables: [ReportTable(results.calibrations, columns)])
  }

  /// Cells that were tried in vain.
  var failureSection: ReportSection {
    ReportSection(
      title: "Failures",
      tables: [
        ReportTable(
          rows.filter { $0.row.failure != nil },
          ColumnRule.names + [
            .init("run") { .text($0.row.failure.map { "\($0.run)" } ?? "") },
            .words("reason") { .text($0.row.failure?.reason ?? "") },
          ])
      ])
  }
}
