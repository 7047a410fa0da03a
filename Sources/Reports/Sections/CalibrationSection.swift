import JSON
import Records

extension ExperimentAnalysis {
  /// The calibrations that the strategies used; a database may hold others of the same strategies.
  var calibrationSection: ReportSection {
    let columns: [ColumnRule<CalibrationRecord>] = [
      .words("strategy") { .text($0.strategy) }, .words("model") { .text($0.model) },
      .words("corpus") { "\($0.corpus) (SHA-256 \(String($0.corpusDigest.prefix(12))))" },
      .init("tokens") { .count($0.tokens) }, .words("options") { .text($0.options.canonicalText) },
      .words("identity") { .text(String($0.identity.prefix(12))) },
    ]
    let used = results.calibrations.filter { calibration in
      rows.contains { calibration.serves($0.cell) }
    }
    return ReportSection(title: "Calibration", tables: [ReportTable(used, columns)])
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

extension CalibrationRecord {
  /// Whether a cell's strategy, or a part of it, names this model, text and length, and these options; an option that is no
  /// parameter of the strategy says nothing.
  fileprivate func serves(_ cell: CellRecord) -> Bool {
    guard cell.modelDigest == modelDigest else { return false }
    var named = options.objectValue ?? [:]
    named["calibrationCorpus"] = .string(corpus)
    return cell.parametersWithParts.enumerated().contains { place, parameters in
      let name = place == 0 ? cell.strategy : parameters["name"]?.stringValue
      let length = parameters["calibrationLength"]?.integerValue
      return name == strategy && length ?? tokens == tokens
        && named.allSatisfy { option, value in
          parameters[option].map { $0.canonicalText == value.canonicalText } ?? true
        }
    }
  }
}
