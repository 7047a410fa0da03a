import Attention
import Records

/// The tokens with the largest values stay: what moves an output most, if it is attended to at all.
public struct ValueNorm: Scorer {
  public static let about = StrategyFacts(
    "value-norm", "After the prompt, the tokens with the largest values stay.", .own,
    source: "docs/tutorial.md")

  @Parameter("first tokens always kept, inside the budget", 0...) public var sinks = 4

  public init() {}

  public func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens(first: sinks) }

  public func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    layer.valueNorms(ofKVHead: kvHead).map { Float($0) }
  }
}
