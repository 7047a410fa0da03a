/// What a pass over a prompt costs beside others, for a run's progress: matrices grow with the tokens, attention with
/// their square; for the models that this program is for they meet at some 6,000 tokens.
enum PassCost {
  private static let meeting = 6_000.0

  static func relative(tokens: Int) -> Double {
    Double(tokens) * (1 + Double(tokens) / meeting)
  }
}
