import Records
import Tensors

/// Dense causal attention: every query attends to every key before it and to itself, and nothing leaves the cache.
///
/// The reference of every comparison.
public struct FullAttention: AttentionStrategy {
  public struct Configuration: Codable, Hashable, Sendable {
    public init() {}
  }

  public static let description = StrategyDescription(
    name: "full", summary: "Dense causal attention, the reference.", role: .reference, phases: [],
    parameters: [], fidelity: .faithful, source: "Vaswani et al. 2017, arXiv 1706.03762")

  public init() {}

  public init(
    _ configuration: Configuration, for shape: AttentionShape
  ) throws(ConfigurationError) {}

  public func queriesDecodedTogether(from position: Int) -> Int { .max }
}
