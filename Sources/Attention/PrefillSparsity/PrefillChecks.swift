import Tensors

extension Optional where Wrapped == DensityBudget {
  /// The budget of a method that takes a density and nothing else.
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

/// Throws unless a list has an entry for each query head of each layer and none is wrong.
func checkHeads(
  _ count: Int, _ name: String, _ shape: AttentionShape, wrong: String?
) throws(ConfigurationError) {
  let needed = shape.layers * shape.queryHeads
  guard count == needed else {
    throw ConfigurationError(
      name,
      "\(count) entries for \(shape.layers) layers x \(shape.queryHeads) query heads; \(needed) are needed, layer after layer"
    )
  }
  if let wrong { throw ConfigurationError(name, wrong) }
}
