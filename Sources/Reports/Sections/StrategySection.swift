import Records

extension ExperimentAnalysis {
  /// What the strategies of the tables do, for readers who know only some of them.
  var strategySection: ReportSection {
    let named = rows.flatMap { row -> [String] in
      // Those of a composition's phases are its parameters.
      let parameters = row.cell.strategyParameters.objectValue ?? [:]
      return [row.cell.strategy]
        + parameters.sorted { $0.key < $1.key }.compactMap { $0.value["name"]?.stringValue }
    }
    let columns: [ColumnRule<StrategyDescription>] = [
      .words("strategy") { .text($0.name) }, .words("what it does") { .text($0.summary) },
      .words("how it stands to its source") { .text($0.fidelity.explanation) },
      .words("source") { .text($0.source) },
    ]
    return ReportSection(
      title: "What the strategies do",
      text: [
        "Every parameter, and what was decided where a source is silent: tca-lab strategies show NAME."
      ],
      tables: [ReportTable(named.uniqued.compactMap { background.strategies[$0] }, columns)])
  }
}

extension Fidelity {
  fileprivate var explanation: String {
    switch self {
    case .faithful: "as its source describes it"
    case .simplified: "simplified"
    case .reconstructed: "written from its paper, without its code"
    case .own: "our own"
    case .oracle: "no method: a bound on what methods can reach"
    }
  }
}
