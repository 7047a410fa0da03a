import Records

/// A strategy of a report: its label, by which tables and figures name it, and what it stands for in a comparison.
public struct ReportStrategy: Sendable, Hashable {
  public var label: String
  public var role: StrategyRole
}

extension ExperimentAnalysis {
  /// In the order of the plan.
  var strategies: [ReportStrategy] {
    rows.groupedByNames { [$0.label] }.map {
      ReportStrategy(label: $0[0].label, role: $0[0].cell.strategyRole)
    }
  }
}
