import Attention

/// How much of a prompt a strategy attended to and kept.
struct AttentionUse: Equatable {
  /// Computed pairs over causal pairs: the work that was done.
  var density = 1.0
  /// Selected pairs over causal pairs.
  var nominalDensity = 1.0
  /// Tokens held over tokens seen, mean over global layers and KV heads.
  var retainedFraction = 1.0
}

extension AttentionUse {
  /// What a session has used that took a prompt of `tokens` tokens, and nothing after it.
  init(of session: AttentionSession, tokens: Int) {
    let shape = session.shape.global
    let causal =
      Double(shape.layers * shape.queryHeads) * Double(tokens) * Double(tokens + 1) / 2
    density = Double(session.pairs.computed) / causal
    nominalDensity = Double(session.pairs.nominal) / causal
    retainedFraction = Double(session.tokensHeld) / Double(shape.layers * shape.kvHeads * tokens)
  }
}
