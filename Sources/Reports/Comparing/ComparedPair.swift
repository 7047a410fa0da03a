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

  /// Marked where either side scored tokens that its selection had seen.
  var task: ReportCell {
    let looksAhead = first.looksAhead || second.looksAhead
    return .text(
      first.task,
      marks: (first.isAtChance ? [.atChance] : []) + (looksAhead ? [.looksAhead] : []))
  }
}

/// The texts, or tasks of a family, on which the same two meet, taken together.
struct PooledPair {
  let pool: Pool.Key
  let pairs: [ComparedPair]
  let difference: PairedDifference

  /// `perplexity/continuation, 5 together`
  var title: String { "\(pool.kind), \(pairs.count) together" }

  /// Of all pairs that meet on more than one text or task; where full attention only guesses is left out.
  static func all(of pairs: [ComparedPair]) -> [PooledPair] {
    pairs.filter { $0.difference != nil && !$0.first.isAtChance }
      .grouped {
        Key(pool: Pool.Key($0.first), labels: [$0.first.label, $0.second.label])
      }
      .compactMap { key, pairs in
        guard pairs.count > 1 else { return nil }
        return PairedDifference(from: pairs.map(\.first), to: pairs.map(\.second)).map {
          PooledPair(pool: key.pool, pairs: pairs, difference: $0)
        }
      }
  }

  private struct Key: Hashable {
    let pool: Pool.Key
    let labels: [String]
  }
}
