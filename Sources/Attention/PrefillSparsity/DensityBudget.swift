import Tensors

/// How many query-key pairs of a prompt a layer may attend to, and the largest selection within it.
///
/// For methods whose selections grow with one number (a threshold, a scale), which is found by
/// bisection and is the same for all query heads of a layer. This is our addition; the methods
/// themselves take that number.
package struct DensityBudget: Sendable, Hashable {
  /// Attended pairs over causal pairs.
  package let density: Double

  package init(density: Double) { self.density = density }

  /// Whether a layer may attend to everything.
  var coversEverything: Bool { density >= 1 }

  /// The pairs that `heads` query heads may attend to together.
  package func pairs(tokens: Int, heads: Int) -> Int {
    Share.pairs(density, ofPrompt: tokens, heads: heads)
  }

  /// How the next number to try is placed between two.
  package enum Spacing: Sendable { case even, geometric }

  /// The largest number found between `low` and `high` whose selections fit, `pairs` being
  /// non-decreasing; nil if even those of `low` do not.
  ///
  /// - Parameter steps: halvings of the interval.
  static func largest(
    from low: Double, through high: Double, _ spacing: Spacing = .even, steps: Int,
    atMost limit: Int, pairs: (Double) -> Int
  ) -> Double? {
    guard pairs(low) <= limit else { return nil }
    guard pairs(high) > limit else { return high }
    var fits = low
    var exceeds = high
    for _ in 0..<steps {
      let next = spacing == .even ? (fits + exceeds) / 2 : (fits * exceeds).squareRoot()
      if pairs(next) <= limit { fits = next } else { exceeds = next }
    }
    return fits
  }

  /// What is attended to if even a method's smallest selection exceeds the budget: as many of the
  /// most recent tokens as fit.
  func mostRecent(tokens: Int) -> Selection {
    let capacity = Share.tokensSeen(density: density, promptTokens: tokens)
    return Selection(window: LocalWindow(width: capacity - 1))
  }
}
