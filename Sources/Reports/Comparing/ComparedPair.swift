import Records

/// The same place of the grid under two strategies, or in two runs.
struct ComparedPair {
  let first: AnalysedRow
  let second: AnalysedRow
  /// The newest timing group that holds counted repetitions of both; nil where there is none.
  let group: IndexedGroup?
  let difference: PairedDifference?

  init(_ first: AnalysedRow, _ second: AnalysedRow, group: IndexedGroup? = nil) {
    self.first = first
    self.second = second
    self.group = group
    difference = PairedDifference(from: first.row, to: second.row)
  }

  /// The label of both, or of A and of B.
  var strategies: String { [first.label, second.label].uniqued.joined(separator: " / ") }

  /// Those of the two strategies that acted only after the tokens that were scored: a difference says nothing of what they
  /// hold. None where both sides are one strategy, of two runs.
  var later: [String] {
    first.label == second.label ? [] : [first, second].filter(\.actsLater).map(\.label)
  }

  /// Marked where either side scored tokens that its selection had seen, or did nothing before they were scored.
  var task: ReportCell {
    var marks: [Mark] = first.isAtChance ? [.atChance] : []
    if first.looksAhead || second.looksAhead { marks.append(.looksAhead) }
    if !later.isEmpty { marks.append(.actsLater) }
    return .text(first.task, marks: marks)
  }
}

/// The texts, or tasks of a family, on which the same two meet, taken together.
struct PooledPair {
  let pool: Pool.Key
  /// `joinLines=false`: what tells the pool from others of its kind; empty where nothing does.
  let distinction: String
  let pairs: [ComparedPair]
  let difference: PairedDifference

  /// `perplexity/continuation, 5 together`
  var title: String {
    "\(pool.kind), \(pairs.count) together" + (distinction.isEmpty ? "" : ", \(distinction)")
  }

  /// Of all pairs that meet on more than one text or task; where full attention only guesses is left out.
  static func all(of pairs: [ComparedPair]) -> [PooledPair] {
    let pools = pairs.filter { $0.difference != nil && !$0.first.isAtChance }
      .grouped { Key(pool: $0.first.poolKey, labels: [$0.first.label, $0.second.label]) }
      .filter { $0.elements.count > 1 }
    let distinctions = Pool.Key.distinctions(of: pools.map { $0.key.pool })
    return pools.compactMap { key, pairs in
      PairedDifference(from: pairs.map(\.first), to: pairs.map(\.second)).map {
        PooledPair(
          pool: key.pool, distinction: Pool.Key.words(of: distinctions[key.pool] ?? [:]),
          pairs: pairs, difference: $0)
      }
    }
  }

  private struct Key: Hashable {
    let pool: Pool.Key
    let labels: [String]
  }
}
