import Kernels
import Records
import Tensors

/// One strategy at work on one sequence, whatever the strategy: what a forward pass drives and a probe looks at.
public protocol StrategySession: LayerAttention {
  var description: StrategyDescription { get }
  /// Whether it has to be told what follows a prompt before it sees the prompt.
  var readsFuture: Bool { get }
  /// Tells an oracle what follows the prompt to come; others make nothing of it. Traps once the caches hold tokens.
  func foresee(_ future: FutureAttention)
  /// Whether the log-sum-exp is that of dense logits: see ``AttentionStrategy/logitsAreDense``.
  var logitsAreDense: Bool { get }
  /// In how many bits the caches' cold tiers hold tokens; nil without one.
  var coldFormat: ColdFormat? { get }
  /// Caches by layer and KV head.
  var caches: [[KVHead]] { get }
  /// Natural log-sum-exp of the last call, (queryHeads x tokens).
  var logSumExp: [Float] { get }
  /// Query-key pairs of the last call, by query head.
  var pairs: [PairCounts] { get }
  /// Selections of the last call, one per query head; of a prompt selected block by block, the last block's.
  var lastSelections: HeadSelections { get }
  /// Bytes beside keys and values that the strategy keeps for cached tokens.
  var stateBytes: Int { get }
  /// Time by phase and stage since the session began.
  var times: [AttentionPhase: StageTimes] { get }
}

extension StrategySession {
  /// Bytes that the caches have allocated, with what the strategy keeps for their tokens.
  public var residentBytes: Int { sumOfCaches(\.allocatedBytes) + stateBytes }

  /// Bytes of the tokens held, in whatever tier.
  public var logicalBytes: Int { sumOfCaches(\.logicalBytes) }

  /// Tokens held in whatever tier, over all layers and KV heads.
  public var tokensHeld: Int { sumOfCaches(\.heldCount) }

  private func sumOfCaches(_ value: (KVHead) -> Int) -> Int {
    caches.reduce(0) { total, heads in heads.reduce(total) { $0 + value($1) } }
  }
}
