import Records

/// What the caches of two strategies hold, the mean over the same cells.
///
/// That of the decode steps where both measured it, in the layers without a window of their own (what budgets match);
/// else what is allocated after the prompt.
struct ComparedBytes: Hashable {
  /// `mean KV bytes`, `KV bytes after the prompt`
  let kind: String
  let first: Double
  let second: Double

  /// Nil unless all cells of both sides have the same figure, above 0.
  init?(_ pairs: [ComparedPair]) {
    let kinds: [(String, ComparisonColumn)] = [
      ("mean KV bytes", .globalMeanKVCacheLogicalBytes),
      ("KV bytes after the prompt", .kvCacheResidentBytes),
    ]
    for (kind, column) in kinds {
      let (first, second) = (
        pairs.compactMap { $0.first.row[column] }, pairs.compactMap { $0.second.row[column] }
      )
      guard first.count == pairs.count, second.count == pairs.count, let one = first.mean,
        let other = second.mean, one > 0, other > 0
      else { continue }
      self.kind = kind
      self.first = one
      self.second = other
      return
    }
    return nil
  }

  /// B's over A's.
  var ratio: Double { second / first }

  /// Within the tolerance of a match, whichever side is the larger.
  var areSame: Bool { max(ratio, 1 / ratio) <= 1 + MatchStatus.tolerance }
}
