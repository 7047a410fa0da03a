/// A score of either sign with the index it belongs to, ordered by score; among equal scores the
/// lower index ranks higher, NaN ranks lowest. For `moveLargestToFront`.
struct ScoreRank: Comparable {
  private let score: UInt32
  let index: Int

  init(score: Float, index: Int) {
    // Adding 0 makes −0 and 0 equal. Negative floats order against their bits, the others along
    // them.
    let pattern = (score + 0).bitPattern
    self.score =
      score.isNaN ? 0 : (pattern & 0x8000_0000 == 0 ? pattern | 0x8000_0000 : ~pattern)
    self.index = index
  }

  static func < (left: ScoreRank, right: ScoreRank) -> Bool {
    left.score == right.score ? left.index > right.index : left.score < right.score
  }
}
