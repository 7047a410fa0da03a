/// How far a run is: work done against all work, both in the unit of ``PassCost``.
struct RunProgress {
  private let total: Double
  private var done = 0.0
  private let start = ContinuousClock.now

  init(total: Double = 0) { self.total = total }

  mutating func add(_ work: Double) { done += work }

  var fraction: Double { total > 0 ? min(1, done / total) : 0 }

  /// Seconds that the rest takes at the pace so far; nil before a hundredth is done.
  var remaining: Double? {
    guard fraction > 0.01 else { return nil }
    return (ContinuousClock.now - start).seconds * (1 - fraction) / fraction
  }
}
