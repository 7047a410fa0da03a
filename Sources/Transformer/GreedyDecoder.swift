import Attention
import Kernels
import Tensors

/// Greedy decoding of one sequence: the prompt, then a token at a time, always the likeliest (ties:
/// the lowest id).
///
/// Drives one ``LayerAttention``, which must start empty.
public struct GreedyDecoder {
  public let model: any DecoderModel
  public let attention: any LayerAttention
  /// Tokens that the model has seen: the position of the next one.
  public private(set) var position = 0
  /// The logits that the newest token was chosen from (vocabularySize).
  public private(set) var logits: [Float] = []

  public init(model: any DecoderModel, attention: any LayerAttention) {
    self.model = model
    self.attention = attention
  }

  /// Runs the prompt and chooses the token after it. Call it first, once.
  public mutating func prefill(
    _ prompt: [Int32], afterLayer: ((Int) -> Void)? = nil
  ) throws -> Int32 {
    precondition(position == 0, "GreedyDecoder.prefill: \(position) tokens have been seen")
    let last = max(prompt.count - 1, 0)..<prompt.count
    return try advance(prompt, phase: .prefill, keeping: last, afterLayer: afterLayer)
  }

  /// Runs one token, the last one chosen or another, and chooses the token after it.
  public mutating func step(_ token: Int32) throws -> Int32 {
    try advance([token], phase: .decode, keeping: 0..<1, afterLayer: nil)
  }

  private mutating func advance(
    _ tokens: [Int32], phase: AttentionPhase, keeping: Range<Int>, afterLayer: ((Int) -> Void)?
  ) throws -> Int32 {
    let hidden = try model.forward(
      tokens, firstPosition: position, phase: phase, attention: attention, keeping: keeping,
      afterLayer: afterLayer)
    position += tokens.count
    model.logits(of: hidden, row: 0, into: &logits)
    // A vocabulary has at least one token, and finite hidden states give no NaN.
    return Int32(Softmax.argmax(logits.span) ?? 0)
  }

  /// What was decoded after a prompt, and how long it took.
  public struct Continuation: Sendable, Hashable {
    /// Chosen tokens, including the end token if there is one.
    public var tokens: [Int32] = []
    public var hasReachedEnd = false
    /// Nanoseconds of the prefill with the last position's logits.
    public var prefillTime: UInt64 = 0
    /// Nanoseconds of each decode step: the step that ran `tokens[i]` and chose `tokens[i + 1]`.
    public var stepTimes: [UInt64] = []

    public init() {}
  }

  /// Runs a prompt and decodes until an end token, `maximumTokens` tokens, or the end of the
  /// model's context.
  ///
  /// - Parameters:
  ///   - endTokens: empty to go on regardless.
  ///   - onToken: called with each token as it is chosen.
  public mutating func decode(
    _ prompt: [Int32], maximumTokens: Int, endTokens: Set<Int32> = [],
    afterLayer: ((Int) -> Void)? = nil, onToken: ((Int32) -> Void)? = nil
  ) throws -> Continuation {
    var result = Continuation()
    guard maximumTokens > 0 else { return result }
    var start = ContinuousClock.now
    var token = try prefill(prompt, afterLayer: afterLayer)
    result.prefillTime = Self.nanoseconds(since: &start)
    while true {
      result.tokens.append(token)
      onToken?(token)
      result.hasReachedEnd = endTokens.contains(token)
      if result.hasReachedEnd || result.tokens.count == maximumTokens
        || position == model.contextLength
      {
        return result
      }
      start = ContinuousClock.now
      token = try step(token)
      result.stepTimes.append(Self.nanoseconds(since: &start))
    }
  }

  private static func nanoseconds(since start: inout ContinuousClock.Instant) -> UInt64 {
    let now = ContinuousClock.now
    defer { start = now }
    return (now - start).nanoseconds
  }
}
