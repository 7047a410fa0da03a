import Records
import Tensors

/// Dense causal attention: every query attends to every key before it and to itself, and nothing
/// leaves the cache.
///
/// The reference of every comparison.
public struct FullAttention: AttentionStrategy {
  public static let about = StrategyFacts(
    "full", "Dense causal attention, the reference.", .faithful, role: .reference,
    source: "Vaswani et al. 2017, arXiv 1706.03762")

  public init() {}
}
