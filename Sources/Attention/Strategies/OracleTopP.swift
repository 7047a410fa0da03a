import Records
import Tensors

/// An oracle: each query and query head attends to the fewest keys whose attention scores add up to
/// a given mass.
///
/// No method keeps that mass of a query with fewer keys. As skylight's `oracle_top_p.py`.
/// Deviation: the query's own token is one of the keys, as in every selection here. It computes all
/// scores to choose by them, so its time says nothing about a method's. Nothing is evicted.
public struct OracleTopP: QueryOracle, Budgeted {
  public static let about = StrategyFacts(
    "oracle-top-p",
    "An oracle: each query attends to the fewest keys that hold a given attention mass.",
    .oracle, role: .oracle, source: "skylight: oracle_top_p.py", budgets: [.mass])

  @Parameter(
    "share of a query's attention that its keys hold; a budget replaces it", 0...1,
    isReplacedByBudget: true)
  public var attentionMass = 0.95
  @Parameter("prompt queries select; false: a dense prompt") public var prefill = true
  @Parameter("decode queries select; false: dense decoding") public var decode = true
  public var budget: Budget?

  public init() {}

  public func check(for shape: AttentionShape) throws(ConfigurationError) {
    switch budget {
    case nil, .mass: return
    case .tokens, .density:
      throw ConfigurationError(
        "budget",
        "oracle-top-p attends to as many keys as a mass needs; use mass, or oracle-top-k for a number of keys"
      )
    }
  }

  var size: OracleSelector.Size {
    if case .mass(let mass) = budget { .mass(mass) } else { .mass(attentionMass) }
  }
}
