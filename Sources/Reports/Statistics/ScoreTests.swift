import Foundation
import Records

/// Whether scores of the same prompts differ: two-sided tests that need no normal distribution.
enum ScoreTests {
  /// McNemar's exact test of prompts that are solved or not: of those that one of the two alone solves, as many are
  /// expected on either side.
  ///
  /// p = min(1, 2 · P(at most min(won, lost) of won + lost fair coins)).
  static func mcNemar(won: Int, lost: Int) -> Double {
    min(1, 2 * SuccessShare.fairTail(min(won, lost), of: won + lost))
  }

  /// With more differences than this the sign patterns are drawn.
  static let mostExact = 16
  /// Sign patterns that are drawn.
  static let draws = 20_000

  /// How often a sum of differences with signs at random is at least as far from 0 as theirs.
  ///
  /// One difference a cluster. All sign patterns up to ``mostExact`` differences that are not 0; beyond that seeded
  /// draws, the observed pattern counted as one of them, so that p is never 0.
  static func signFlip(_ differences: [Double]) -> Double {
    let moving = differences.filter { $0 != 0 }
    guard !moving.isEmpty else { return 1 }
    // Sums in another order differ in their last bits.
    let bound = abs(moving.reduce(0, +)) - 1e-12 * moving.reduce(0) { $0 + abs($1) }
    if moving.count <= mostExact { return exact(moving, bound) }
    var generator = SeededGenerator(seed: 0, purpose: "sign flips")
    var reached = 1
    for _ in 0..<draws {
      var sum = 0.0
      var bits: UInt64 = 0
      for (index, value) in moving.enumerated() {
        if index % 64 == 0 { bits = generator.next() }
        sum += bits & 1 == 0 ? value : -value
        bits >>= 1
      }
      if abs(sum) >= bound { reached += 1 }
    }
    return Double(reached) / Double(draws + 1)
  }

  /// By Gray's code: one sign changes from each pattern to the next. The first one's may stay, since a pattern and
  /// its opposite are equally far from 0.
  private static func exact(_ values: [Double], _ bound: Double) -> Double {
    var signed = values
    var sum = values.reduce(0, +)
    let patterns = 1 << (values.count - 1)
    var reached = abs(sum) >= bound ? 1 : 0
    for pattern in 1..<max(patterns, 1) {
      let place = 1 + pattern.trailingZeroBitCount
      signed[place] = -signed[place]
      sum += 2 * signed[place]
      if abs(sum) >= bound { reached += 1 }
    }
    return Double(reached) / Double(patterns)
  }
}
