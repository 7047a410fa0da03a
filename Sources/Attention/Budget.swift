import Tensors

/// A budget as a strategy meets it: fractions, bytes and matches have become numbers of this prompt.
///
/// In JSON one key: `{"tokens": 820}`, `{"density": 0.4, "promptTokens": 2048}` or `{"mass": 0.9}`.
public enum Budget: Codable, Hashable, Sendable {
  /// Tokens a KV head, sinks, windows and the current token inside; what a query attends to for methods that
  /// only select.
  case tokens(Int)
  /// Attended pairs over causal pairs of a prompt of `promptTokens`.
  case density(Double, promptTokens: Int)
  /// The smallest set whose attention mass is at least this.
  case mass(Double)

  private enum CodingKeys: String, CodingKey { case tokens, density, promptTokens, mass }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    if let tokens = try container.decodeIfPresent(Int.self, forKey: .tokens) {
      self = .tokens(tokens)
    } else if let mass = try container.decodeIfPresent(Double.self, forKey: .mass) {
      self = .mass(mass)
    } else {
      self = .density(
        try container.decode(Double.self, forKey: .density),
        promptTokens: try container.decode(Int.self, forKey: .promptTokens))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    switch self {
    case .tokens(let count): try container.encode(count, forKey: .tokens)
    case .density(let density, let promptTokens):
      try container.encode(density, forKey: .density)
      try container.encode(promptTokens, forKey: .promptTokens)
    case .mass(let mass): try container.encode(mass, forKey: .mass)
    }
  }
}
