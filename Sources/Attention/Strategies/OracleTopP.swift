import Records
import Tensors

/// An oracle: each query and query head attends to the fewest keys whose attention scores add up to a given mass.
///
/// No method keeps that mass of a query with fewer keys. As skylight's `oracle_top_p.py`. Deviation: the query's own token
/// is one of the keys, as in every selection here. It computes all scores to choose by them, so its time says nothing
/// of a method's. Nothing is evicted.
public struct OracleTopP: QueryOracle {
  public struct Configuration: Codable, Hashable, Sendable {
    public var attentionMass: Double
    public var prefill: Bool
    public var decode: Bool
    public var budget: Budget?

    public init(
      attentionMass: Double = 0.95, prefill: Bool = true, decode: Bool = true,
      budget: Budget? = nil
    ) {
      self.attentionMass = attentionMass
      self.prefill = prefill
      self.decode = decode
      self.budget = budget
    }
  }

  public typealias State = QueryOracleState

  public static let description = StrategyDescription(
    name: "oracle-top-p",
    summary: "An oracle: each query attends to the fewest keys that hold a given attention mass.",
    role: .oracle, phases: [.prefill, .decode],
    parameters: [
      ParameterDescription(
        "attentionMass", .number(minimum: 0, maximum: 1), default: .number(0.95),
        "share of a query's attention that its keys hold; a budget replaces it",
        isReplacedByBudget: true),
      .oraclePrefill, .oracleDecode,
    ],
    budgets: [.mass], fidelity: .simplified,
    source: "skylight: oracle_top_p.py")

  let size: OracleSelector.Size
  let selectsInPrefill: Bool
  let selectsInDecode: Bool

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    selectsInPrefill = configuration.prefill
    selectsInDecode = configuration.decode
    switch configuration.budget {
    case nil:
      guard (0...1).contains(configuration.attentionMass) else {
        throw ConfigurationError(
          "attentionMass",
          "\(configuration.attentionMass) is out of range; use a number from 0 to 1")
      }
      size = .mass(configuration.attentionMass)
    case .mass(let mass): size = .mass(mass)
    case .tokens, .density:
      throw ConfigurationError(
        "budget",
        "oracle-top-p attends to as many keys as a mass needs; use mass, or oracle-top-k for a number of keys"
      )
    }
  }
}
