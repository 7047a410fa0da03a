/// How far a run is: of all groups' work, in seconds as planned (``GroupWork``), the work of those behind and
/// the share that is done of the one at work. What the plan says of the rest is corrected by how long that took.
struct RunProgress {
  private let total: Double
  private var behind = 0.0
  private var current = 0.0
  private var share = 0.0
  private let start = ContinuousClock.now
  private var besides = Duration.zero

  init(total: Double = 0) { self.total = total }

  mutating func beginGroup(work: Double) {
    behind += current
    current = work
    share = 0
  }

  /// Adds a share of the group at work.
  mutating func add(_ more: Double) { share = min(1, share + more) }

  /// Leaves time that went by for something outside of the groups' work out of the pace.
  mutating func leaveOut(_ time: Duration) { besides += time }

  var fraction: Double { total > 0 ? min(1, (behind + current * share) / total) : 0 }

  /// Seconds that the rest takes at the pace so far; nil before a fiftieth is done.
  var remaining: Double? {
    guard fraction > 0.02 else { return nil }
    return (ContinuousClock.now - start - besides).seconds * (1 - fraction) / fraction
  }
}
