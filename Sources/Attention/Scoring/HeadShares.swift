import Records

/// How the KV heads of a layer share its budget by what their scores are worth (Ada-KV, arXiv
/// 2407.11550).
public struct HeadShares: Sendable, Hashable {
  public enum Allocation: String, ParameterChoice {
    /// Each head is guaranteed a floor; the rest goes to the layer's best scores.
    case protected
    /// Each head's count among the layer's best scores, drawn towards equal shares.
    case mixed
  }

  var allocation = Allocation.protected
  /// The share of the mean budget that every head has in any case, in 0…1.
  var floorFraction = 0.2
  /// Whether heads are compared by scores scaled with the share that their best tokens have.
  var normalize = false
  /// Which of heads with equal remainders gets a token that is left over: that whose best score left out is larger; or the
  /// first, as in AdaKV's reference values, and a head's share depends on its place then.
  var tiesGoByScore = false

  /// How many tokens beside the forced ones each head keeps, `mean` on average.
  ///
  /// - Parameters:
  ///   - forced: tokens of each head that stay in any case; the floor includes them.
  ///   - scores: of the other tokens, by head.
  func counts(of mean: Int, besideForced forced: Int, _ scores: [ArraySlice<Float>]) -> [Int] {
    let heads = scores.count
    guard mean > 0 else { return Array(repeating: 0, count: heads) }
    let compared = normalize ? scores.map { Self.scaled($0, best: mean) } : scores
    switch allocation {
    case .protected:
      let floor = Share.count(floorFraction, of: mean + forced)
      let safe = min(mean, max(0, floor - forced))
      return Self.counts(ofBest: heads * (mean - safe), in: compared, leavingOut: safe)
        .map { $0 + safe }
    case .mixed:
      let counts = Self.counts(ofBest: heads * mean, in: compared, leavingOut: 0)
      let parts = counts.map {
        (1 - floorFraction) * Double($0) + floorFraction * Double(mean)
      }
      return rounded(parts, total: heads * mean, compared)
    }
  }

  /// How many of the `count` best scores of all heads lie in each head, not counting each head's
  /// `leftOut` best.
  private static func counts(
    ofBest count: Int, in scores: [ArraySlice<Float>], leavingOut leftOut: Int
  ) -> [Int] {
    let width = scores.map(\.count).max() ?? 0
    var ranks: [ScoreRank] = []
    for (head, scores) in scores.enumerated() {
      var own = scores.enumerated().map {
        ScoreRank(score: $0.element, index: head * width + $0.offset)
      }
      own.moveLargestToFront(leftOut)
      ranks += own.dropFirst(leftOut)
    }
    ranks.moveLargestToFront(count)
    var counts = [Int](repeating: 0, count: scores.count)
    for rank in ranks.prefix(count) { counts[rank.index / width] += 1 }
    return counts
  }

  /// A head's scores times the share that its `count` best have of their sum.
  private static func scaled(_ scores: ArraySlice<Float>, best count: Int) -> ArraySlice<Float> {
    var ordered = Array(scores)
    ordered.moveLargestToFront(count)
    let total = scores.reduce(0) { $0 + Double($1) }
    guard total > 0 else { return scores }
    let share = Float(ordered.prefix(count).reduce(0) { $0 + Double($1) } / total)
    return ArraySlice(scores.map { $0 * share })
  }

  /// The largest score but `count`; 0 where there is none.
  private static func best(of scores: ArraySlice<Float>, after count: Int) -> Float {
    guard count < scores.count else { return 0 }
    var ordered = Array(scores)
    ordered.moveLargestToFront(count + 1)
    return ordered[count]
  }

  /// Whole numbers near `parts` that add up to `total`: rounded down, then the largest remainders
  /// up.
  private func rounded(
    _ parts: [Double], total: Int, _ scores: [ArraySlice<Float>]
  ) -> [Int] {
    // A part may be a whole number except for rounding.
    var counts = parts.map { Int(($0 + 1e-9).rounded(.down)) }
    let claims = parts.indices.map { head in
      (
        ((parts[head] - Double(counts[head])) * 1e6).rounded(),
        tiesGoByScore ? Self.best(of: scores[head], after: counts[head]) : 0
      )
    }
    let order = parts.indices.sorted {
      claims[$0] == claims[$1] ? $0 < $1 : claims[$0] > claims[$1]
    }
    for head in order.prefix(total - counts.reduce(0, +)) { counts[head] += 1 }
    return counts
  }
}
