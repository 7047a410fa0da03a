import Attention
import Kernels
import Tensors

/// The log-probability of each token of a text, and the likeliest next tokens.
public struct TokenScores: Sendable, Hashable {
  /// ln p(token i | tokens before it) for i = 1, 2, …: one fewer than there are tokens.
  public var logProbabilities: [Double] = []
  /// The likeliest next tokens after the last one, best first.
  public var next: [RankedToken] = []
  /// Natural log of the sum of exponentials of the last position's logits: a token's
  /// log-probability is its logit less this.
  public var logSumExp = 0.0

  public struct RankedToken: Sendable, Hashable {
    public var token: Int32
    public var logit: Float
  }

  /// Mean of ``logProbabilities``; nil for a single token.
  public var meanLogProbability: Double? {
    logProbabilities.isEmpty
      ? nil : logProbabilities.reduce(0, +) / Double(logProbabilities.count)
  }
}

extension DecoderModel {
  /// Runs `tokens` as one prompt from position 0 and scores each but the first.
  ///
  /// - Parameter nextCount: how many of the likeliest next tokens to return.
  public func score(
    _ tokens: [Int32], attention: any LayerAttention, nextCount: Int = 0,
    afterLayer: ((Int) throws -> Void)? = nil
  ) throws -> TokenScores {
    let hidden = try forward(
      tokens, firstPosition: 0, phase: .prefill, attention: attention, keeping: tokens.indices,
      afterLayer: afterLayer)
    var scores = TokenScores()
    forEachLogits(of: hidden) { row, logits in
      if row + 1 < tokens.count {
        scores.logProbabilities.append(
          Double(logits[Int(tokens[row + 1])]) - Softmax.logSumExp(logits))
      } else {
        scores.logSumExp = Softmax.logSumExp(logits)
        scores.next = Softmax.top(nextCount, of: logits).map {
          TokenScores.RankedToken(token: Int32($0), logit: logits[$0])
        }
      }
    }
    return scores
  }
}
