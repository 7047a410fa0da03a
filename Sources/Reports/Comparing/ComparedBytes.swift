import Records

/// What the caches of two strategies hold, the mean over the same cells: the first ``ByteShare`` that all of them have.
struct ComparedBytes: Hashable {
  /// `mean KV bytes`, `KV bytes after the prompt`
  let kind: String
  let first: Double
  let second: Double

  /// Nil unless all cells of both sides have the same figure, above 0.
  init?(_ pairs: [ComparedPair]) {
    for share in ByteShare.allCases {
      let first = pairs.compactMap { $0.first.row[share.column] }
      let second = pairs.compactMap { $0.second.row[share.column] }
      guard first.count == pairs.count, second.count == pairs.count, let one = first.mean,
        let other = second.mean, one > 0, other > 0
      else { continue }
      kind = share.words
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
