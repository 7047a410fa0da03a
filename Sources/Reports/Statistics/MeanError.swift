import Records

/// How far the mean of values drawn alike lies from the one that further values would give.
struct MeanError {
  /// The standard error.
  let value: Double
  /// Of the mean's distance from the true one, in standard errors.
  let distribution: StudentT

  /// Traps for fewer than two values.
  init(_ value: Double, valueCount: Int) {
    self.value = value
    distribution = StudentT(degrees: valueCount - 1)
  }

  /// - Parameter mean: of the values.
  init(of values: [Double], around mean: Double) {
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let count = Double(values.count)
    self.init((squares / (count - 1) / count).squareRoot(), valueCount: values.count)
  }

  func interval(around mean: Double, level: Double) -> Interval {
    let half = value * distribution.halfWidth(covering: level)
    return Interval(low: mean - half, high: mean + half)
  }
}
