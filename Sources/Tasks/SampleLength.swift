/// How many tokens of a sample a model runs, and how: what a pass over it costs.
public struct SampleLength: Hashable, Sendable {
  /// Prefilled at once.
  public var prompt: Int
  /// Known in advance and decoded after the prompt, many at a time: late and forced tokens.
  public var known = 0
  /// Decoded one at a time, at most: answers.
  public var greedy = 0
  /// Whose probabilities are asked for.
  public var scored = 0

  public init(prompt: Int, known: Int = 0, greedy: Int = 0, scored: Int = 0) {
    self.prompt = prompt
    self.known = known
    self.greedy = greedy
    self.scored = scored
  }

  /// All but the prompt.
  public var decoded: Int { known + greedy }
}

extension TaskSample {
  public var length: SampleLength {
    SampleLength(
      prompt: prompt.count,
      known: turns.reduce(0) { $0 + $1.lateTokens.count } + max(0, forced.count - 1),
      greedy: turns.count * greedyTokens,
      scored: scoredFrom.map { prompt.count + forced.count - $0 } ?? 0)
  }
}
