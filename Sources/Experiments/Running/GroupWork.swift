import Tasks

/// What the passes of a group of cells cost beside each other, for a run's progress.
///
/// The unit is what one token of a prompt costs in the matrices of the layers. Attention grows with
/// the square of the tokens; for the models that this program is for both meet at some 6,000
/// tokens. Strategies attend to about half of the causal pairs. A decode step costs as much as six
/// tokens of a prompt, scoring a token once as much as a quarter of one.
struct GroupWork {
  /// Strategies that stand beside the dense pass.
  var measured = 0
  /// Passes of a strategy of its own over all samples.
  var ownPasses = 0
  var hasDensePass = false
  /// Timed passes over the first sample, with all repeats and warm-ups.
  var timedPasses = 0
  var decodeTokens = 0

  /// The tokens of a sample that go through the model, and those of them that are scored.
  struct Length {
    var tokens: Int
    var scored: Int
  }

  func densePass(of length: Length) -> Double {
    pass(length, denseAttention: 1, sparseAttention: Double(measured), scorings: 1)
  }

  /// With dense attention beside the strategy's, and the dense predictions made again for its
  /// scores.
  func ownPass(of length: Length) -> Double {
    pass(length, denseAttention: 1, sparseAttention: 1, scorings: 2)
  }

  func timedPass(of length: Length) -> Double {
    pass(length, denseAttention: 0, sparseAttention: 1, scorings: 0) + 6 * Double(decodeTokens)
  }

  /// Of the whole group; `count` stands for as many samples of each of these lengths.
  func total(of samples: [Length], count: Int = 1) -> Double {
    guard let first = samples.first else { return 0 }
    let quality = samples.reduce(0) {
      $0 + (hasDensePass ? densePass(of: $1) : 0) + Double(ownPasses) * ownPass(of: $1)
    }
    return Double(count) * quality + Double(timedPasses) * timedPass(of: first)
  }

  private func pass(
    _ length: Length, denseAttention: Double, sparseAttention: Double, scorings: Double
  ) -> Double {
    let tokens = Double(length.tokens)
    return tokens + tokens * tokens / 6_000 * (denseAttention + sparseAttention / 2)
      + 0.25 * scorings * Double(length.scored)
  }
}

extension TaskSample {
  var length: GroupWork.Length {
    let tokens = prompt.count + turns.reduce(0) { $0 + $1.lateTokens.count } + forced.count
    return GroupWork.Length(
      tokens: tokens, scored: scoredFrom.map { tokens - $0 } ?? 0)
  }
}
