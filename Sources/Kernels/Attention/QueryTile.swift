import Tensors

/// Which keys each query of a tile sees.
///
/// Queries are taken in groups of a register tile's rows. The tokens in runs that lie before a group's first window
/// start are seen by all of the group: a prefix of the gathered tokens, no mask. From there to the group's last query
/// they are taken as they lie in the cache, and masked where a query is older than a key or its window has slid
/// past it and no run names it.
struct QueryTile {
  struct Group {
    /// Queries, counted from the tile's first.
    var rows: Range<Int>
    /// Gathered tokens that all queries of the group see.
    var gathered: Int
    /// Tokens of the window's packing that some query of the group sees, and those between.
    var window: Range<Int>
    /// Where the flags of `window.lowerBound` stand in `isInRun`.
    var firstFlag: Int
  }

  private(set) var groups: [Group] = []
  /// By query: the tokens of the window's packing from the query's window start to the query itself.
  private(set) var visible: [Range<Int>] = []
  /// For tokens that the window has slid past in the middle of a group: whether a run holds them all the same.
  private(set) var isInRun: [Bool] = []
  /// Pairs that the selection shows and the cache holds.
  private(set) var nominalPairs = 0

  /// The tile of consecutive queries at the positions `queries`.
  mutating func plan(
    queries: Range<Int>, selection: Selection, gathered: PackedKeys?, window: PackedKeys
  ) {
    groups.removeAll(keepingCapacity: true)
    visible.removeAll(keepingCapacity: true)
    isInRun.removeAll(keepingCapacity: true)
    nominalPairs = 0
    for first in stride(from: 0, to: queries.count, by: StripProduct.tileRows) {
      let rows = first..<min(first + StripProduct.tileRows, queries.count)
      let start = selection.window.start(forQuery: queries.lowerBound + first)
      let prefix = gathered?.index(atOrAfter: start) ?? 0
      let begin = window.index(atOrAfter: start)
      for row in rows {
        let query = queries.lowerBound + row
        let low = window.index(atOrAfter: selection.window.start(forQuery: query))
        visible.append(low..<max(low, window.index(atOrAfter: query + 1)))
        nominalPairs += prefix + visible[row].count
      }
      groups.append(
        Group(
          rows: rows, gathered: prefix, window: begin..<visible[rows.upperBound - 1].upperBound,
          firstFlag: isInRun.count))
      addFlags(begin, rows: rows, selection: selection, window: window)
    }
  }

  /// Finds out which tokens from `begin` to the group's last window start lie in runs.
  private mutating func addFlags(
    _ begin: Int, rows: Range<Int>, selection: Selection, window: PackedKeys
  ) {
    let end = visible[rows.upperBound - 1].lowerBound
    guard begin < end else { return }
    var run = selection.firstRun(endingAfter: Int(window.positions[begin]))
    var row = rows.lowerBound
    for token in begin..<end {
      let position = Int(window.positions[token])
      while run < selection.runs.count, selection.runs[run].upperBound <= position { run += 1 }
      let isHeld = run < selection.runs.count && selection.runs[run].lowerBound <= position
      isInRun.append(isHeld)
      // Queries whose window begins after the token see it through the run alone.
      while visible[row].lowerBound <= token { row += 1 }
      if isHeld { nominalPairs += rows.upperBound - row }
    }
  }

  /// Hides what the query at `row` does not see. Column 0 is the first token of the panel of `tokens.lowerBound`.
  @inline(__always)
  func hide(
    _ group: Group, row: Int, tokens: Range<Int>, _ logits: UnsafeMutablePointer<Float>
  ) {
    let origin = tokens.lowerBound / Panel.rows * Panel.rows
    let visible = visible[row]
    for column in 0..<tokens.lowerBound - origin { logits[column] = -.infinity }
    if visible.lowerBound > tokens.lowerBound {
      for token in tokens.lowerBound..<min(visible.lowerBound, tokens.upperBound)
      where !isInRun[group.firstFlag + token - group.window.lowerBound] {
        logits[token - origin] = -.infinity
      }
    }
    let end = (tokens.upperBound - origin + 15) / 16 * 16
    var column = max(visible.upperBound - origin, 0)
    while column < end {
      logits[column] = -.infinity
      column += 1
    }
  }
}

extension Selection {
  /// The first run that ends after `position`; the number of runs if none does.
  func firstRun(endingAfter position: Int) -> Int {
    var low = 0
    var high = runs.count
    while low < high {
      let middle = (low + high) / 2
      if runs[middle].upperBound <= position { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
