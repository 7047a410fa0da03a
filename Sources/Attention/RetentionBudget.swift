import Records

/// How many tokens a KV head keeps of a prompt.
public enum RetentionBudget: Sendable, Hashable {
  /// At least 1.
  case tokens(Int)
  /// Of the prompt's tokens, in 0…1.
  case fraction(Double)

  /// A budget, or, where none is given, a share of the prompt.
  ///
  /// Throws for budgets that do not say what a cache keeps: a density, a mass; and for a share outside 0…1.
  public init(
    _ budget: Budget?, retainedFraction: Double, of strategy: String
  ) throws(ConfigurationError) {
    let allowed = "use fraction, tokens, bytes or matching (of kvBytes)"
    switch budget {
    case .tokens(let tokens): self = .tokens(max(1, tokens))
    case .density(let density, _):
      throw ConfigurationError(
        "budget",
        "a density of \(density): \(strategy) attends densely to the prompt and evicts after it, so a density sets nothing; \(allowed)"
      )
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: \(strategy) keeps a number of tokens, not a mass; \(allowed)"
      )
    case nil:
      guard (0...1).contains(retainedFraction) else {
        throw ConfigurationError(
          "retainedFraction", "\(retainedFraction) is out of range; use a number from 0 to 1")
      }
      self = .fraction(retainedFraction)
    }
  }

  /// max(1, ⌊fraction · n⌋) for a fraction.
  public func tokens(ofPrompt count: Int) -> Int {
    switch self {
    case .tokens(let tokens): tokens
    case .fraction(let fraction): max(1, Int((fraction * Double(count)).rounded(.down)))
    }
  }

  /// The forms of budget from which one can be made.
  static let forms: [BudgetForm] = [.fraction, .tokens, .bytes, .matching]

  /// The parameter that counts where no budget is given.
  static let parameter = ParameterDescription(
    "retainedFraction", .number(minimum: 0, maximum: 1), default: .number(defaultFraction),
    "share of the prompt's tokens that a KV head keeps; a budget replaces it",
    isReplacedByBudget: true)

  /// What stays where nothing is said.
  public static let defaultFraction = 0.5
}

/// A size that is out of its range, by name.
func checkSize(
  _ name: String, _ value: Int, atLeast minimum: Int
) throws(ConfigurationError) -> Int {
  guard value >= minimum else {
    throw ConfigurationError(name, "\(value) is too small; use at least \(minimum)")
  }
  return min(value, largestSize)
}

/// More tokens than a model takes, and few enough to add up.
let largestSize = 1 << 30
