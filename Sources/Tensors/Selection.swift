/// The keys that a query attends to, or that a cache retains: sorted, disjoint runs of token
/// positions and a local window that slides with the query.
///
/// A query at q attends to each p ≤ q in a run or in its window, counted once, and so always to
/// itself. Positions that a cache no longer holds contribute nothing. A sink is one run, a block
/// one run, a scattered token a run of length 1.
public struct Selection: Sendable, Hashable {
  /// Ascending, not empty, not touching one another.
  public private(set) var runs: [Range<Int>]
  public var window: LocalWindow

  /// No runs: the window alone.
  public init(window: LocalWindow = .currentToken) {
    runs = []
    self.window = window
  }

  /// Every key up to the query.
  public static let everything = Selection(window: .everything)

  public var isEverything: Bool { window == .everything }

  /// Adds positions; runs that touch or overlap become one. Cheap when called in ascending order,
  /// otherwise linear.
  public mutating func keep(_ run: Range<Int>) {
    guard !run.isEmpty else { return }
    guard let last = runs.last, run.lowerBound <= last.upperBound else {
      runs.append(run)
      return
    }
    if run.lowerBound >= last.lowerBound {
      runs[runs.count - 1] = last.lowerBound..<max(last.upperBound, run.upperBound)
      return
    }
    // Out of order: everything from the first run that touches the new one is merged into it.
    let first = runs.firstIndex { $0.upperBound >= run.lowerBound } ?? runs.count
    var end = first
    var merged = run
    while end < runs.count, runs[end].lowerBound <= merged.upperBound {
      merged =
        min(merged.lowerBound, runs[end].lowerBound)..<max(merged.upperBound, runs[end].upperBound)
      end += 1
    }
    runs.replaceSubrange(first..<end, with: [merged])
  }

  /// Adds one token.
  public mutating func keep(_ position: Int) { keep(position..<position + 1) }

  /// Removes every run, but keeps the storage.
  public mutating func removeRuns() { runs.removeAll(keepingCapacity: true) }

  /// Removes positions in `range` from the runs.
  public mutating func drop(_ range: Range<Int>) {
    guard runs.contains(where: { $0.overlaps(range) }) else { return }
    runs = runs.flatMap { run -> [Range<Int>] in
      let before = run.lowerBound..<max(run.lowerBound, min(range.lowerBound, run.upperBound))
      let after = min(max(range.upperBound, run.lowerBound), run.upperBound)..<run.upperBound
      return [before, after].filter { !$0.isEmpty }
    }
  }

  /// Adds all runs of another selection. Linear in both.
  public mutating func formUnion(runsOf other: Selection) {
    guard !other.runs.isEmpty else { return }
    guard !runs.isEmpty else {
      runs = other.runs
      return
    }
    let left = runs
    runs.removeAll(keepingCapacity: true)
    var i = 0
    var j = 0
    while i < left.count || j < other.runs.count {
      if j == other.runs.count
        || (i < left.count && left[i].lowerBound <= other.runs[j].lowerBound)
      {
        keep(left[i])
        i += 1
      } else {
        keep(other.runs[j])
        j += 1
      }
    }
  }

  /// The number of positions in runs.
  public var runTokenCount: Int { runs.reduce(0) { $0 + $1.count } }

  /// True if the query at `query` attends to `position`.
  public func attends(to position: Int, fromQuery query: Int) -> Bool {
    guard position <= query, position >= 0 else { return false }
    return position >= window.start(forQuery: query) || isInRun(position)
  }

  /// True if a run holds `position`. Logarithmic.
  public func isInRun(_ position: Int) -> Bool {
    let run = runs.indices.bisected { runs[$0].upperBound > position }
    return run < runs.count && runs[run].lowerBound <= position
  }

  /// The number of keys that the query at `query` attends to when a cache holds all of them.
  public func attendedCount(fromQuery query: Int) -> Int {
    let start = window.start(forQuery: query)
    var count = query - start + 1
    for run in runs {
      guard run.lowerBound < start else { break }
      count += min(run.upperBound, start) - run.lowerBound
    }
    return count
  }
}
