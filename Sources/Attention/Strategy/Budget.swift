import Records
import Tensors

/// A budget as a strategy meets it: fractions, bytes and matches have become numbers of this prompt.
public enum Budget: Hashable, Sendable {
  /// Tokens a KV head, sinks, windows and the current token inside; what a query attends to for methods that only
  /// select.
  case tokens(Int)
  /// Attended pairs over causal pairs of a prompt of `promptTokens`.
  case density(Double, promptTokens: Int)
  /// The smallest set whose attention mass is at least this.
  case mass(Double)

  /// More tokens than any context has: nothing is left out.
  public static let everything = Budget.tokens(largestSize)
}

extension Budget: Decodable {
  /// Throws: a budget is never read with a strategy's parameters, the framework sets it for each prompt.
  public init(from decoder: any Decoder) throws {
    throw DecodingError.dataCorrupted(
      .init(codingPath: decoder.codingPath, debugDescription: "a budget is stated as a spec does"))
  }
}

/// A strategy that takes a budget; which forms of it, `about` says.
public protocol Budgeted: AttentionStrategy {
  /// What this prompt may use; nil where no budget is given.
  var budget: Budget? { get set }
}

/// The one rounding of shares: 0.29 of 100 is 29, though in binary a little less.
public enum Share {
  /// ⌊fraction · count⌋.
  public static func count(_ fraction: Double, of count: Int) -> Int {
    Int((fraction * Double(count) * (1 + 1e-12)).rounded(.down))
  }

  /// ⌈fraction · count⌉: 0.07 of 100 is 7, though in binary a little more.
  public static func countRoundedUp(_ fraction: Double, of count: Int) -> Int {
    Int((fraction * Double(count) * (1 - 1e-12)).rounded(.up))
  }

  /// max(1, ⌊fraction · count⌋): what a budget of a fraction of a prompt's tokens means.
  public static func tokens(_ fraction: Double, of count: Int) -> Int {
    max(1, self.count(fraction, of: count))
  }

  /// The most tokens that every query of a prompt may see (fewer for the first ones) so that the share of causal pairs
  /// does not exceed `density`; at least 1.
  public static func tokensSeen(density: Double, promptTokens: Int) -> Int {
    let pairs = pairs(density, ofPrompt: promptTokens)
    var low = 1
    var high = max(1, promptTokens)
    while low < high {
      let middle = (low + high + 1) / 2
      let seen = middle * (middle + 1) / 2 + (promptTokens - middle) * middle
      if seen <= pairs { low = middle } else { high = middle - 1 }
    }
    return low
  }

  /// ⌊density · causal pairs⌋ of a prompt, of several query heads together.
  public static func pairs(_ density: Double, ofPrompt tokens: Int, heads: Int = 1) -> Int {
    let causal = Double(tokens) * Double(tokens + 1) / 2
    return Int((density * causal * Double(heads) * (1 + 1e-12)).rounded(.down))
  }
}
