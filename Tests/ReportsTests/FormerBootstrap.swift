import Records

@testable import Reports

/// How intervals were made before: a percentile bootstrap of segments, drawn inside each window.
///
/// Kept to show that the simulation finds what was wrong with it: segments of one window are like each other, and with
/// windows held fixed an interval says nothing of others.
struct FormerBootstrap {
  struct Unit {
    var stratum: Int
    var value: Double
  }

  /// 10,000 in the product; fewer do for a coverage.
  var draws = 400
  var seed = 0

  func interval(of units: [Unit]) -> Interval? {
    let strata = Dictionary(grouping: units, by: \.stratum).sorted { $0.key < $1.key }.map(\.value)
    var generator = SeededGenerator(seed: seed, purpose: "bootstrap")
    var means: [Double] = []
    for _ in 0..<draws {
      var sum = 0.0
      for stratum in strata {
        for _ in stratum { sum += stratum[generator.index(below: stratum.count)].value }
      }
      means.append(sum / Double(units.count))
    }
    let sorted = means.sorted()
    return Interval(
      low: Quantile.of(sorted: sorted, at: 0.025), high: Quantile.of(sorted: sorted, at: 0.975))
  }
}
