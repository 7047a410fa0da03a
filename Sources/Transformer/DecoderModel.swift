import Attention
import Tensors

/// What a pass drives: tokens go in, attention is called at every layer, and what predicts the next
/// token comes out.
///
/// A ``BlueprintDecoder`` is the plain case. Synthetic attention inputs have the same face, so that
/// the same passes measure both.
public protocol DecoderModel: AnyObject {
  /// Heads, and the geometry of each layer.
  var shape: AttentionShape { get }
  var workspace: Workspace { get }
  /// The most tokens that it takes.
  var contextLength: Int { get }
  /// Whether what a layer attends to reaches the layers and tokens after it. Where it does not,
  /// errors cannot build up.
  var carriesOutput: Bool { get }

  /// Does what no timing should contain, for a prompt and the decode steps after it; nothing for a
  /// real model, whose work all counts.
  func prepare(_ prompt: [Int32], decodeTokens: Int) throws

  /// Runs tokens through all layers, layer by layer, and gives the hidden states that logits are
  /// made from.
  ///
  /// The same tokens in one pass, in several or one by one give the same result up to rounding, if
  /// the attention does.
  ///
  /// - Parameters:
  ///   - tokens: ids in 0 ..< vocabularySize; at least one.
  ///   - firstPosition: of the first token; the cache of `attention` holds those before it.
  ///   - phase: `.prefill` for a prompt, `.decode` for what follows it.
  ///   - attention: called once for each layer; its shape is the model's.
  ///   - keeping: the tokens, counted from the first of this pass, whose hidden states are wanted.
  ///     The others skip the end of the last layer, which nothing reads.
  ///   - afterLayer: called with a layer's index when it is done; what it throws ends the pass.
  /// - Returns: (keeping.count x hiddenSize), after the final norm.
  /// - Throws: `ModelError` for ids or positions out of range, and for weights that lead to
  ///   infinities.
  func forward(
    _ tokens: [Int32], firstPosition: Int, phase: AttentionPhase,
    attention: any LayerAttention, keeping: Range<Int>, afterLayer: ((Int) throws -> Void)?
  ) throws -> Matrix

  /// Runs tokens through decode steps, as many together as the attention allows without another
  /// result, at most ``DecodeStep/mostTokens``: what a teacher-forced text costs.
  ///
  /// - Parameter tokens: at least one.
  /// - Returns: hidden states of all of them (tokens x hiddenSize).
  func decode(
    _ tokens: [Int32], firstPosition: Int, attention: any LayerAttention
  ) throws -> Matrix

  /// The logits of one row of hidden states for the whole vocabulary.
  ///
  /// - Parameters:
  ///   - hidden: what ``forward(_:firstPosition:phase:attention:keeping:afterLayer:)`` gave.
  ///   - logits: replaced by vocabularySize numbers.
  func logits(of hidden: Matrix, row: Int, into logits: inout [Float])

  /// Calls `body` with the logits of each row in turn, ascending; few rows exist at once.
  func forEachLogits(of hidden: Matrix, _ body: (_ row: Int, _ logits: Span<Float>) -> Void)

  /// Gives back the memory that is kept for the next pass.
  func releaseScratch()
}

public enum DecodeStep {
  /// Beyond this many tokens decoded together, tokens no longer get cheaper.
  public static let mostTokens = 128
}

extension DecoderModel {
  public var carriesOutput: Bool { true }

  public func prepare(_ prompt: [Int32], decodeTokens: Int) throws {}

  public func forward(
    _ tokens: [Int32], firstPosition: Int, phase: AttentionPhase,
    attention: any LayerAttention, keeping: Range<Int>
  ) throws -> Matrix {
    try forward(
      tokens, firstPosition: firstPosition, phase: phase, attention: attention, keeping: keeping,
      afterLayer: nil)
  }

  public func decode(
    _ tokens: [Int32], firstPosition: Int, attention: any LayerAttention
  ) throws -> Matrix {
    var elements: [Float] = []
    var row = 0
    while row < tokens.count {
      let together = attention.queriesDecodedTogether(from: firstPosition + row)
      let count = max(1, min(together, DecodeStep.mostTokens, tokens.count - row))
      elements += try forward(
        Array(tokens[row..<row + count]), firstPosition: firstPosition + row, phase: .decode,
        attention: attention, keeping: 0..<count
      ).elements
      row += count
    }
    return Matrix(
      rows: tokens.count, columns: elements.count / max(1, tokens.count), elements: elements)
  }
}
