import Records
import Tensors

/// An oracle: each query and query head attends to the keys with its largest attention scores, a given number of them.
///
/// No method that attends to as many keys for a query keeps more of that query's attention mass: what is left is the
/// price of the budget, and the distance to this one the price of the method. It computes all scores to choose by them,
/// so it saves nothing; its time says nothing of a method's. Nothing is evicted.
///
/// As skylight's `oracle_top_k.py`. Deviation: the query's own token is one of the keys, as in every selection here. A
/// density gives each query the same number of keys, as many as it allows over the whole prompt.
public struct OracleTopK: QueryOracle {
  public struct Configuration: Codable, Hashable, Sendable {
    public var keys: Int
    public var prefill: Bool
    public var decode: Bool
    public var budget: Budget?

    public init(
      keys: Int = 256, prefill: Bool = true, decode: Bool = true, budget: Budget? = nil
    ) {
      self.keys = keys
      self.prefill = prefill
      self.decode = decode
      self.budget = budget
    }
  }

  public typealias State = QueryOracleState

  public static let description = StrategyDescription(
    name: "oracle-top-k",
    summary: "An oracle: each query attends to the keys with its largest exact scores.",
    role: .oracle, phases: [.prefill, .decode],
    parameters: [
      ParameterDescription(
        "keys", .integer(minimum: 1, maximum: largestSize), default: .integer(256),
        "keys that a query attends to, its own included; a budget replaces it",
        isReplacedByBudget: true),
      .oraclePrefill, .oracleDecode,
    ],
    budgets: [.fraction, .tokens, .density, .matching], fidelity: .simplified,
    source: "skylight: oracle_top_k.py")

  let size: OracleSelector.Size
  let selectsInPrefill: Bool
  let selectsInDecode: Bool

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    selectsInPrefill = configuration.prefill
    selectsInDecode = configuration.decode
    switch configuration.budget {
    case nil: size = .keys(try checkSize("keys", configuration.keys, atLeast: 1))
    case .tokens(let tokens): size = .keys(max(1, tokens))
    case .density(let density, let promptTokens):
      size =
        density >= 1
        ? .keys(.max)
        : .keys(StreamingLLM.capacity(density: density, promptTokens: promptTokens))
    case .mass(let mass):
      throw ConfigurationError(
        "budget",
        "\(mass) of the attention mass: oracle-top-k attends to a number of keys; use oracle-top-p, or fraction, tokens, density or matching"
      )
    }
  }
}

extension ParameterDescription {
  static let oraclePrefill = ParameterDescription(
    "prefill", .boolean, default: .boolean(true), "prompt queries select; false: a dense prompt")
  static let oracleDecode = ParameterDescription(
    "decode", .boolean, default: .boolean(true), "decode queries select; false: dense decoding")
}
