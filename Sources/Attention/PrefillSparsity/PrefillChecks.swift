import Records
import Tensors

extension DensityBudget {
  /// The budget of a method that takes a density and nothing else; nil without one.
  static func only(
    _ budget: Budget?, of strategy: String
  ) throws(ConfigurationError) -> DensityBudget? {
    switch budget {
    case nil: return nil
    case .density(let density, _): return DensityBudget(density: density)
    case .tokens(let tokens): throw ConfigurationError(tokens: tokens, strategy)
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: \(strategy) has no such threshold; use density or matching (of density)"
      )
    }
  }

  /// The density that a budget gives; nil where it gives none.
  init?(_ budget: Budget?) {
    guard case .density(let density, _) = budget else { return nil }
    self.init(density: density)
  }
}

extension ConfigurationError {
  /// A number of tokens for a method that selects whole blocks and evicts nothing.
  init(tokens: Int, _ strategy: String) {
    self.init(
      "budget",
      "\(tokens) tokens: \(strategy) keeps every token and attends to more or fewer of them by query; use density or matching (of density)"
    )
  }
}
