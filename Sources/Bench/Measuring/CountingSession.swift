import Attention
import Kernels
import Records
import Tensors

/// How much of a prompt a strategy attended to and kept.
struct AttentionUse: Equatable {
  /// Computed pairs over causal pairs: the work that was done.
  var density = 1.0
  /// Selected pairs over causal pairs.
  var nominalDensity = 1.0
  /// Tokens held over tokens seen, mean over layers and KV heads.
  var retainedFraction = 1.0
}

/// A session that adds up the pairs of all its calls; not for timing.
final class CountingSession: StrategySession {
  private let session: any StrategySession
  private var counts = PairCounts()

  init(_ session: any StrategySession) { self.session = session }

  /// What a prefill of `tokens` tokens, and nothing after it, has used.
  func use(tokens: Int) -> AttentionUse {
    let causal =
      Double(shape.layers * shape.queryHeads) * Double(tokens) * Double(tokens + 1) / 2
    let slots = Double(shape.layers * shape.kvHeads * tokens)
    return AttentionUse(
      density: Double(counts.computed) / causal, nominalDensity: Double(counts.nominal) / causal,
      retainedFraction: Double(session.tokensHeld) / slots)
  }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, keys: Matrix, values: Matrix,
    firstPosition: Int, output: inout Matrix
  ) {
    session.attend(
      layer: layer, phase: phase, queries: queries, keys: keys, values: values,
      firstPosition: firstPosition, output: &output)
    counts = session.pairs.reduce(counts, +)
  }

  func queriesDecodedTogether(from position: Int) -> Int {
    session.queriesDecodedTogether(from: position)
  }

  var shape: AttentionShape { session.shape }
  var description: StrategyDescription { session.description }
  var readsFuture: Bool { session.readsFuture }
  func foresee(_ future: FutureAttention) { session.foresee(future) }
  var logitsAreDense: Bool { session.logitsAreDense }
  var coldFormat: ColdFormat? { session.coldFormat }
  var caches: [[KVHead]] { session.caches }
  var logSumExp: [Float] { session.logSumExp }
  var pairs: [PairCounts] { session.pairs }
  var lastSelections: HeadSelections { session.lastSelections }
  var stateBytes: Int { session.stateBytes }
  var times: [AttentionPhase: StageTimes] { session.times }
}
