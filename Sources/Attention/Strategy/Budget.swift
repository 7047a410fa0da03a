import Records
import Tensors

/// A budget as a strategy receives it: fractions, bytes and matches already resolved for this
/// prompt.
public enum Budget: Hashable, Sendable {
  /// Tokens per KV head, including sinks, windows and the current token; for methods that only
  /// select, the tokens a query attends to.
  case tokens(Int)
  /// Attended pairs divided by causal pairs, for a prompt of `promptTokens`.
  case density(Double, promptTokens: Int)
  /// The smallest set whose attention mass is at least this.
  case mass(Double)

  /// More tokens than any context has: nothing is left out.
  public static let everything = Budget.tokens(largestSize)
}

extension Budget: Decodable {
  /// Always throws: a budget is not one of the decoded parameters; the framework sets it for each
  /// prompt.
  public init(from decoder: any Decoder) throws {
    throw DecodingError.dataCorrupted(
      .init(codingPath: decoder.codingPath, debugDescription: "a budget is stated as a spec does"))
  }
}

/// A strategy that takes a budget, in the forms that its `about` lists.
public protocol Budgeted: AttentionStrategy {
  /// What this prompt may use; nil if no budget is given.
  var budget: Budget? { get set }

  /// The tokens that a KV head holds, on average over layers and KV heads, while the `step`-th token
  /// after a prompt attends, its own included; with step 0 after the prompt and its compaction. Where some are held in fewer
  /// bits, as many as have their bytes.
  ///
  /// Nil, the default, where that depends on what the tokens are, or is more than a number of tokens.
  func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double?
}

extension Budgeted {
  public func tokensHeld(
    atStep step: Int, afterPrompt promptTokens: Int, headDimension: Int
  ) -> Double? { nil }
}

/// The one place where shares are rounded: 0.29 of 100 is 29, although the binary product is
/// slightly less.
public enum Share {
  /// ⌊fraction · count⌋.
  public static func count(_ fraction: Double, of count: Int) -> Int {
    Int((fraction * Double(count) * (1 + 1e-12)).rounded(.down))
  }

  /// ⌈fraction · count⌉: 0.07 of 100 is 7, although the binary product is slightly more.
  public static func countRoundedUp(_ fraction: Double, of count: Int) -> Int {
    Int((fraction * Double(count) * (1 - 1e-12)).rounded(.up))
  }

  /// max(1, ⌊fraction · count⌋): the tokens that a `fraction` budget allows.
  public static func tokens(_ fraction: Double, of count: Int) -> Int {
    max(1, self.count(fraction, of: count))
  }

  /// What layers that keep `held` tokens leave to each of the others of a `mean` over all layers.
  public static func rest(ofMean mean: Int, layers: Int, exempt: Int, holding held: Int) -> Int {
    (mean * layers - held * exempt) / (layers - exempt)
  }

  /// The most tokens that every query of a prompt may see (fewer for the first ones) so that the
  /// share of causal pairs does not exceed `density`; at least 1.
  public static func tokensSeen(density: Double, promptTokens: Int) -> Int {
    let pairs = pairs(density, ofPrompt: promptTokens)
    let tooMany = (2..<max(2, promptTokens + 1)).bisected { tokens in
      tokens * (tokens + 1) / 2 + (promptTokens - tokens) * tokens > pairs
    }
    return tooMany - 1
  }

  /// ⌊density · causal pairs⌋ of a prompt, summed over `heads` query heads.
  public static func pairs(_ density: Double, ofPrompt tokens: Int, heads: Int = 1) -> Int {
    let causal = Double(tokens) * Double(tokens + 1) / 2
    return Int((density * causal * Double(heads) * (1 + 1e-12)).rounded(.down))
  }
}
