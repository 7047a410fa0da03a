import Transformer

/// Floating-point operations of one pass over a prompt under full attention, for estimates.
///
/// Matrices: 2 operations a weight and token. Attention: 4 · (n/2) · queryHeads · headDimension · layers a token.
struct PassCost {
  private let perToken: Double
  private let perPair: Double

  init(_ configuration: LlamaConfiguration) {
    let c = configuration
    let attention =
      2 * c.hiddenSize * c.queryHeads * c.headDimension
      + 2 * c.hiddenSize * c.kvHeads * c.headDimension
    let feedForward = 3 * c.hiddenSize * c.feedForwardSize
    perToken = 2 * Double(c.layers) * Double(attention + feedForward)
    perPair = 4 * Double(c.queryHeads * c.headDimension * c.layers)
  }

  func operations(tokens: Int) -> Double {
    Double(tokens) * (perToken + perPair * Double(tokens) / 2)
  }
}
