import Records

extension Report {
  /// What ``PairComparison/init(of:with:in:background:)`` finds.
  public init(
    comparing first: String, with second: String, in experiments: [ExperimentResults],
    background: ReportBackground = ReportBackground()
  ) throws(ReportError) {
    self = try PairComparison(
      of: first, with: second, in: experiments, background: background
    ).report
  }

  /// What ``PairComparison/init(ofRun:with:)`` finds.
  public init(
    comparingRun first: ExperimentResults, with second: ExperimentResults
  ) throws(ReportError) {
    self = try PairComparison(ofRun: first, with: second).report
  }
}
