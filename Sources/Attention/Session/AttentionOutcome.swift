import Kernels

/// The result of one call of attention, besides its output.
public struct AttentionOutcome: Sendable {
  /// Natural log-sum-exp of the attended logits, (queryHeads x tokens).
  public var logSumExp: [Float]
  /// Query-key pairs by query head.
  public var pairs: [PairCounts]

  public init(logSumExp: [Float], pairs: [PairCounts]) {
    self.logSumExp = logSumExp
    self.pairs = pairs
  }
}
