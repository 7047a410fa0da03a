extension ExperimentAnalysis {
  /// The calibrations that the strategies may have used.
  var calibrationSection: ReportSection {
    let columns: [ReportTable.Column] = [
      .init("strategy", isNumeric: false), .init("model", isNumeric: false),
      .init("corpus", isNumeric: false), .init("tokens"), .init("options", isNumeric: false),
      .init("identity", isNumeric: false),
    ]
    return ReportSection(
      "Calibration",
      tables: [
        ReportTable(
          columns: columns,
          rows: results.calibrations.map { calibration in
            [
              calibration.strategy, calibration.model,
              "\(calibration.corpus) (SHA-256 \(calibration.corpusDigest.prefix(12)))",
              NumberText.count(calibration.tokens), calibration.options.canonicalText,
              String(calibration.identity.prefix(12)),
            ]
          })
      ])
  }

  /// Cells that were tried in vain.
  var failureSection: ReportSection {
    let columns =
      AnalysedRow.nameColumns + [.init("run"), .init("reason", isNumeric: false)]
    return ReportSection(
      "Failures",
      tables: [
        ReportTable(
          columns: columns,
          rows: rows.compactMap { analysed in
            analysed.row.failure.map { analysed.names + ["\($0.run)", $0.reason] }
          })
      ])
  }
}
