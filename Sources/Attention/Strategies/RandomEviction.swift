import Records
import Tensors

/// Random: after the prompt, any tokens stay, with or without sinks. What a method must beat to be worth its selection.
///
/// Ours. Each token's score is a uniform number from `seed`, layer and KV head; the best of the budget stay, so that
/// every set is equally likely, other ones in each layer and KV head, the same ones for every prompt of a length. The
/// newest token always stays, inside the budget. `sinks` 0 shows what attention sinks are worth.
public struct RandomEviction: ScoringStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public var sinks: Int
    public var seed: Int
    public var retainedFraction: Double
    public var budget: Budget?

    public init(
      sinks: Int = 4, seed: Int = 0, retainedFraction: Double = RetentionBudget.defaultFraction,
      budget: Budget? = nil
    ) {
      self.sinks = sinks
      self.seed = seed
      self.retainedFraction = retainedFraction
      self.budget = budget
    }
  }

  public static let description = StrategyDescription(
    name: "random", summary: "After the prompt, sinks and tokens drawn by chance stay.",
    role: .control, phases: [.retention],
    parameters: [
      ParameterDescription(
        "sinks", .integer(minimum: 0, maximum: largestSize), default: .integer(4),
        "first tokens always kept, inside the budget"),
      ParameterDescription(
        "seed", .integer(minimum: 0, maximum: nil), default: .integer(0), "of the draw"),
      RetentionBudget.parameter,
    ],
    budgets: RetentionBudget.forms, fidelity: .own, source: "tca-lab")

  public let budget: RetentionBudget
  private let sinks: Int
  private let seed: Int

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {
    budget = try RetentionBudget(
      configuration.budget, retainedFraction: configuration.retainedFraction, of: "random")
    sinks = try checkSize("sinks", configuration.sinks, atLeast: 0)
    seed = configuration.seed
    guard seed >= 0 else {
      throw ConfigurationError("seed", "\(seed) is too small; use at least 0")
    }
  }

  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens(first: sinks) }

  public func score(
    _ layer: LayerView, kvHead: Int, queryHeads: Range<Int>, into scores: inout [Float]
  ) {
    var generator = SeededGenerator(seed: seed, purpose: "random \(layer.layer) \(kvHead)")
    for slot in scores.indices { scores[slot] = Float(generator.unit()) }
  }
}
