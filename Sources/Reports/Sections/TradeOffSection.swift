import Records

extension ExperimentAnalysis {
  /// What each strategy gives up for what it saves, besides the figure that leads the report.
  func tradeOffSection(_ frontiers: FrontierFigures) -> ReportSection {
    ReportSection(
      title: "What is paid for it",
      text: [
        "Further down and further left is better. A thin line joins a strategy at its budgets."
      ], figures: frontiers.others)
  }
}
