/// Holm's correction: of several contrasts, the chance that any of those without a true difference is called one is at
/// most 5 %.
enum Holm {
  struct Corrected: Hashable {
    /// The probability to hold against 0.05.
    var pValue: Double
    /// The level of the interval that goes with it, 1 − 0.05 / (contrasts that are not smaller): it holds 0 where the
    /// probability is above 0.05, and only there.
    var level: Double
  }

  /// One for each p-value, in their order: the i-th smallest of m is multiplied by m − i + 1, and none is smaller than
  /// the one before it. Of equal ones the first counts as smaller.
  static func corrected(_ pValues: [Double]) -> [Corrected] {
    let order = pValues.indices.sorted { (pValues[$0], $0) < (pValues[$1], $1) }
    var result = pValues.map { Corrected(pValue: $0, level: 0.95) }
    var largest = 0.0
    var level = 0.95
    for (place, index) in order.enumerated() {
      let rest = Double(pValues.count - place)
      // The test ends at the first that is not below its share: those after it are held to the same.
      if largest <= 0.05 { level = 1 - 0.05 / rest }
      largest = max(largest, min(1, rest * pValues[index]))
      result[index] = Corrected(pValue: largest, level: level)
    }
    return result
  }
}
