import Tensors

/// The keys and diagonals of one head, ranked by how much the prompt's last queries attend to them
/// (MInference).
package struct VerticalSlashRanking: Sendable {
  /// First tokens, and smallest distances, that come before all others, as in the repository.
  private static let forcedColumns = 30
  private static let forcedDistances = 100

  private let tokens: Int
  private let blockSize: Int
  private let columns: [ScoreRank]
  private let distances: [ScoreRank]
  private let isSorted: Bool

  /// - Parameters:
  ///   - lastQueries: whose attention ranks columns and diagonals.
  ///   - isSorted: true where several selections will be made.
  package init(
    _ layer: LayerView, head: Int, lastQueries: Int, blockSize: Int, isSorted: Bool
  ) {
    let observed = layer.observedAttention(ofHead: head, lastQueries: lastQueries)
    tokens = observed.columns.count
    self.blockSize = blockSize
    self.isSorted = isSorted
    columns = Self.ranks(observed.columns, forced: Self.forcedColumns, isSorted)
    distances = Self.ranks(observed.distances, forced: Self.forcedDistances, isSorted)
  }

  private static func ranks(_ scores: [Float], forced: Int, _ isSorted: Bool) -> [ScoreRank] {
    let ranks = scores.enumerated().map { index, score in
      ScoreRank(score: index < forced ? .infinity : score, index: index)
    }
    return isSorted ? ranks.sorted(by: >) : ranks
  }

  /// The best columns and distances, as many as asked for; the lower on ties.
  package func select(verticals: Int, slashes: Int) -> VerticalSlashSelection {
    VerticalSlashSelection(
      tokens: tokens, blockSize: blockSize, columns: top(verticals, of: columns),
      distances: top(slashes, of: distances))
  }

  /// Flags of the best.
  private func top(_ count: Int, of ranks: [ScoreRank]) -> [Bool] {
    var flags = [Bool](repeating: count >= ranks.count, count: ranks.count)
    guard count < ranks.count else { return flags }
    if isSorted {
      for rank in ranks.prefix(count) { flags[rank.index] = true }
    } else {
      var ranks = ranks
      ranks.moveLargestToFront(count)
      for rank in ranks.prefix(count) { flags[rank.index] = true }
    }
    return flags
  }
}

/// Some columns and some diagonals of the attention matrix, rounded as MInference's kernel rounds
/// them.
///
/// For the queries of one block, positions m ..< m + b, the keys at distance δ are those from m − δ
/// on, b of them or, at the prompt's beginning, the first b. From the longest distance to the
/// shortest such stretches are joined: one that begins within or at the end of the stretch before
/// lengthens it, by b at a time, if it reaches beyond. Columns are taken one by one.
package struct VerticalSlashSelection: Sendable {
  private let tokens: Int
  private let blockSize: Int
  /// Positions, ascending, and how many of them lie before each position.
  private var columns: [Int] = []
  private var columnsBefore: [Int32] = [0]
  /// Maximal runs of consecutive distances, the longest first.
  private var distances: [ClosedRange<Int>] = []

  /// - Parameters:
  ///   - columns, distances: whether each is selected (tokens).
  init(tokens: Int, blockSize: Int, columns flags: [Bool], distances slashes: [Bool]) {
    self.tokens = tokens
    self.blockSize = blockSize
    columnsBefore.reserveCapacity(tokens + 1)
    for position in 0..<tokens {
      if flags[position] { columns.append(position) }
      columnsBefore.append(Int32(columns.count))
    }
    var distance = tokens - 1
    while distance >= 0 {
      guard slashes[distance] else {
        distance -= 1
        continue
      }
      let longest = distance
      while distance > 0, slashes[distance - 1] { distance -= 1 }
      distances.append(distance...longest)
      distance -= 1
    }
  }

  private var blocks: Int { (tokens + blockSize - 1) / blockSize }

  private func queries(_ block: Int) -> Range<Int> {
    block * blockSize..<min((block + 1) * blockSize, tokens)
  }

  /// The stretches of keys around the diagonals, ascending, disjoint, before the end of the block.
  private func stretches(_ block: Int) -> [Range<Int>] {
    let end = (block + 1) * blockSize
    let limit = min(end, tokens)
    var stretches: [Range<Int>] = []
    var start = 0
    var stop = 0
    for run in distances where run.lowerBound < end {
      let first = max(end - run.upperBound, blockSize)
      let last = max(end - run.lowerBound, blockSize)
      if stop == 0 || first > stop + blockSize {
        if stop > 0 { stretches.append(start..<stop) }
        start = first - blockSize
        stop = first
      }
      while stop < last { stop += blockSize }
    }
    if stop > 0, start < limit { stretches.append(start..<min(stop, limit)) }
    return stretches
  }

  /// What the queries of one block attend to.
  package func selection(_ block: Int) -> Selection {
    let queries = queries(block)
    let stretches = stretches(block)
    let showsOwn = Self.covers(stretches, queries)
    let end = showsOwn ? queries.lowerBound : queries.upperBound
    var selection = Selection(
      window: showsOwn ? LocalWindow(width: 0, alignment: blockSize) : .currentToken)
    var column = 0
    for stretch in stretches where stretch.lowerBound < end {
      while column < columns.count, columns[column] < stretch.lowerBound {
        selection.keep(columns[column])
        column += 1
      }
      selection.keep(stretch.lowerBound..<min(stretch.upperBound, end))
      column = max(column, Int(columnsBefore[min(stretch.upperBound, tokens)]))
    }
    while column < columns.count, columns[column] < end {
      selection.keep(columns[column])
      column += 1
    }
    return selection
  }

  private static func covers(_ stretches: [Range<Int>], _ queries: Range<Int>) -> Bool {
    stretches.contains {
      $0.lowerBound <= queries.lowerBound && $0.upperBound >= queries.upperBound
    }
  }

  /// Query-key pairs of the whole prompt.
  package var pairs: Int { (0..<blocks).reduce(0) { $0 + pairs($1) } }

  private func pairs(_ block: Int) -> Int {
    let queries = queries(block)
    let stretches = stretches(block)
    // Keys before the block are seen by all of its queries.
    var older = Int(columnsBefore[queries.lowerBound])
    for stretch in stretches where stretch.lowerBound < queries.lowerBound {
      let end = min(stretch.upperBound, queries.lowerBound)
      older += end - stretch.lowerBound
      older -= Int(columnsBefore[end] - columnsBefore[stretch.lowerBound])
    }
    var own = 0
    if Self.covers(stretches, queries) {
      own = queries.count * (queries.count + 1) / 2
    } else {
      for position in queries {
        let isColumn = columnsBefore[position + 1] > columnsBefore[position]
        let isSeen = isColumn || stretches.contains { $0.contains(position) }
        own += isSeen ? queries.upperBound - position : 1
      }
    }
    return queries.count * older + own
  }
}
