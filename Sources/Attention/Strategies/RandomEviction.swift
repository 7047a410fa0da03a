import Records

/// Random: after the prompt, any tokens stay, with or without sinks. What a method must beat to be
/// worth its selection.
///
/// Ours. Each token's score is a uniform number from `seed`, layer and KV head; the best of the
/// budget stay, so that every set is equally likely: a different one in each layer and KV head, the
/// same for every prompt of one length. The newest token always stays, inside the budget. `sinks` 0
/// shows what attention sinks are worth.
public struct RandomEviction: Scorer {
  public static let about = StrategyFacts(
    "random", "After the prompt, sinks and tokens drawn by chance stay.", .own, role: .control,
    source: "tca-lab")

  @Parameter("first tokens always kept, inside the budget", 0...) public var sinks = 4
  @Parameter("of the draw", 0...Int.max) public var seed = 0

  public init() {}

  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens(first: sinks) }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    var generator = SeededGenerator(seed: seed, purpose: "random \(layer.layer) \(kvHead)")
    return (0..<layer.heads[kvHead].count).map { _ in Float(generator.unit()) }
  }
}
