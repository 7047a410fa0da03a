import JSON
import Records

extension CellRecord {
  /// Samples of the cell, at each depth where the task has depths; 100 where a file decides.
  package var expectedSampleCount: Int {
    let samples = taskParameters["samples"].map { $0.integerValue ?? 100 } ?? 1
    let depths = taskParameters["depths"]?.arrayValue?.count ?? 1
    let (count, overflow) = samples.multipliedReportingOverflow(by: depths)
    return overflow ? .max : count
  }
}
