/// A score of either sign and the index of what has it, in one number that orders by score; of equal scores the lower
/// index ranks higher, NaN ranks lowest. For `moveLargestToFront`; `KeyRanking` does it for scores that are not negative.
struct ScoreRank: Comparable {
  private let bits: UInt64

  init(score: Float, index: Int) {
    // Adding 0 makes −0 and 0 equal. Negative floats order against their bits, the others along them.
    let pattern = (score + 0).bitPattern
    let ordered: UInt32 =
      score.isNaN ? 0 : (pattern & 0x8000_0000 == 0 ? pattern | 0x8000_0000 : ~pattern)
    bits = UInt64(ordered) << 32 | UInt64(UInt32.max - UInt32(index))
  }

  var index: Int { Int(UInt32.max - UInt32(truncatingIfNeeded: bits)) }

  static func < (left: ScoreRank, right: ScoreRank) -> Bool { left.bits < right.bits }
}
