import Records
import Tensors

/// An oracle: each query and query head attends to the keys with its largest attention scores, a
/// given number of them.
///
/// No method that attends to as many keys for a query keeps more of that query's attention mass:
/// what it loses is the price of the budget, and a method's distance to it the price of the method.
/// It computes all scores to choose by them, so it saves nothing, and its time says nothing about a
/// method's. Nothing is evicted.
///
/// As skylight's `oracle_top_k.py`. Deviation: the query's own token is one of the keys, as in
/// every selection here. A density gives each query the same number of keys, as many as it allows
/// over the whole prompt.
public struct OracleTopK: QueryOracle, Budgeted {
  public static let about = StrategyFacts(
    "oracle-top-k", "An oracle: each query attends to the keys with its largest exact scores.",
    .oracle, role: .oracle, source: "skylight: oracle_top_k.py",
    budgets: [.fraction, .tokens, .density, .matching])

  @Parameter(
    "keys that a query attends to, its own included; a budget replaces it", 1...,
    isReplacedByBudget: true)
  public var keys = 256
  @Parameter("prompt queries select; false: a dense prompt") public var prefill = true
  @Parameter("decode queries select; false: dense decoding") public var decode = true
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    if case .mass(let mass) = budget {
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: oracle-top-k attends to a number of keys; use oracle-top-p, or fraction, tokens, density or matching"
      )
    }
  }

  var size: OracleSelector.Size {
    switch budget {
    case .tokens(let tokens): .keys(max(1, tokens))
    case .density(let density, let promptTokens):
      .keys(
        density >= 1
          ? .max : Share.tokensSeen(density: density, promptTokens: promptTokens))
    case nil, .mass: .keys(keys)
    }
  }
}
