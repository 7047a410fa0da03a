import Tensors

/// The keys that each query of a tile attends to.
///
/// Queries are taken in groups of a register tile's rows. The tokens in runs that lie before a
/// group's first window start are seen by all of the group: a prefix of the gathered tokens, no
/// mask. From there to the group's last query they are taken as they lie in the cache, and masked
/// where a query is older than a key or its window has slid past it and no run names it.
struct QueryTile {
  struct Group {
    /// Queries, counted from the tile's first.
    var rows: Range<Int>
    /// Gathered tokens that all queries of the group see.
    var gathered: Int
    /// Tokens of the window's packing that some query of the group sees, and those between.
    var window: Range<Int>
    /// The index in `isInRun` of the flag of `window.lowerBound`.
    var firstFlag: Int

    /// Columns of logits that the gathered tokens take: whole panels.
    var gatheredColumns: Int { (gathered + Panel.rows - 1) / Panel.rows * Panel.rows }

    /// The first token of the window's first panel.
    var windowOrigin: Int { window.lowerBound / Panel.rows * Panel.rows }

    /// All columns of logits.
    var columns: Int {
      let end = (window.upperBound + Panel.rows - 1) / Panel.rows * Panel.rows
      return gatheredColumns + (window.isEmpty ? 0 : end - windowOrigin)
    }

    /// The gathered tokens in some columns.
    func gathered(in columns: Range<Int>) -> Range<Int> { columns.clamped(to: 0..<gathered) }

    /// The window's tokens in some columns.
    func window(in columns: Range<Int>) -> Range<Int> {
      let first = windowOrigin + max(columns.lowerBound - gatheredColumns, 0)
      return window.clamped(
        to: first..<max(first, windowOrigin + columns.upperBound - gatheredColumns))
    }
  }

  private(set) var groups: [Group] = []
  /// By query: the tokens of the window's packing from the query's window start to the query
  /// itself.
  private(set) var visible: [Range<Int>] = []
  /// For tokens that the window leaves within a group: whether a run holds them.
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

  /// Hides what the query at `row` does not see of a group's `columns`, and columns without a
  /// token.
  @inline(__always)
  func hide(
    _ group: Group, row: Int, columns: Range<Int>, _ logits: UnsafeMutablePointer<Float>
  ) {
    let windowColumn = min(max(group.gatheredColumns, columns.lowerBound), columns.upperBound)
    let lastGathered = min(max(group.gathered, columns.lowerBound), windowColumn)
    hide(lastGathered..<windowColumn, of: columns, logits)
    // From here on in tokens of the window.
    let shift = group.windowOrigin - group.gatheredColumns
    let tokens = windowColumn + shift..<columns.upperBound + shift
    let visible = visible[row]
    let begin = min(max(visible.lowerBound, tokens.lowerBound), tokens.upperBound)
    for token in tokens.lowerBound..<begin where !isHeld(token, in: group) {
      logits[token - shift - columns.lowerBound] = -.infinity
    }
    let end = min(max(visible.upperBound, begin), tokens.upperBound)
    hide(end - shift..<columns.upperBound, of: columns, logits)
  }

  /// Whether a token before a query's window is attended to through a run.
  @inline(__always)
  private func isHeld(_ token: Int, in group: Group) -> Bool {
    token >= group.window.lowerBound
      && isInRun[group.firstFlag + token - group.window.lowerBound]
  }

  @inline(__always)
  private func hide(
    _ hidden: Range<Int>, of columns: Range<Int>, _ logits: UnsafeMutablePointer<Float>
  ) {
    for column in hidden { logits[column - columns.lowerBound] = -.infinity }
  }
}

extension Selection {
  /// The first run that ends after `position`; the number of runs if none does.
  func firstRun(endingAfter position: Int) -> Int {
    runs.indices.bisected { runs[$0].upperBound > position }
  }
}
