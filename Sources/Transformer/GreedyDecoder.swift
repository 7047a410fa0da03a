import Attention
import Kernels
import Tensors

/// Greedy decoding of one sequence: a token at a time, always the likeliest (the lowest id of
/// equally likely ones).
///
///     var decoder = try GreedyDecoder(model, attention: session, prompt: tokens)
///     try decoder.decode(atMost: 100) { token in
///       written.append(token)
///       return !endTokens.contains(token)
///     }
public struct GreedyDecoder {
  private let model: any DecoderModel
  private let attention: any LayerAttention
  /// The last row predicts the next token.
  private var hidden: Matrix
  /// Tokens that the model has seen: the position of the next one.
  public private(set) var position: Int
  /// The logits that the newest token was chosen from (vocabularySize).
  public private(set) var logits: [Float] = []

  /// Goes on after a pass.
  ///
  /// - Parameters:
  ///   - hidden: what the pass gave; its last row is the last token's (rows x hiddenSize).
  ///   - position: how many tokens `attention` has seen.
  public init(
    _ model: any DecoderModel, attention: any LayerAttention, after hidden: Matrix, position: Int
  ) {
    self.model = model
    self.attention = attention
    self.hidden = hidden
    self.position = position
  }

  /// Runs a prompt, at least one token, from the empty start of `attention`.
  ///
  /// - Parameter afterLayer: called with a layer's index when it is done.
  public init(
    _ model: any DecoderModel, attention: any LayerAttention, prompt: [Int32],
    afterLayer: ((Int) throws -> Void)? = nil
  ) throws {
    let hidden = try model.forward(
      prompt, firstPosition: 0, phase: .prefill, attention: attention,
      keeping: max(prompt.count - 1, 0)..<prompt.count, afterLayer: afterLayer)
    self.init(model, attention: attention, after: hidden, position: prompt.count)
  }

  /// The token that is likeliest to come next.
  ///
  /// - Parameter excluded: tokens that are not chosen.
  public mutating func choose(excluding excluded: Set<Int32> = []) -> Int32 {
    model.logits(of: hidden, row: hidden.rows - 1, into: &logits)
    for token in excluded { logits[Int(token)] = -.infinity }
    // A vocabulary has at least one token, and finite hidden states give no NaN.
    return Int32(Softmax.argmax(logits.span) ?? 0)
  }

  /// Runs a token, the one chosen or another.
  public mutating func run(_ token: Int32) throws {
    hidden = try model.forward(
      [token], firstPosition: position, phase: .decode, attention: attention, keeping: 0..<1)
    position += 1
  }

  /// Chooses tokens and runs each but the last: until there are `count` of them, the model's
  /// context is full, or `receive` wants no more.
  ///
  /// - Parameters:
  ///   - excluded: tokens that are not chosen first.
  ///   - receive: called with each token as it is chosen; false ends the decoding.
  public mutating func decode(
    atMost count: Int, firstExcluding excluded: Set<Int32> = [],
    _ receive: (Int32) throws -> Bool
  ) throws {
    for index in 0..<count {
      let token = choose(excluding: index == 0 ? excluded : [])
      guard try receive(token), index + 1 < count, position < model.contextLength else { return }
      try run(token)
    }
  }
}
