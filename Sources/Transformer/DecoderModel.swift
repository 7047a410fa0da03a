import Attention
import Tensors

/// What a pass drives: tokens go in, attention is called at every layer, and what predicts the next token comes out.
///
/// A `LlamaModel` is the plain case. Made-up attention inputs have the same face, so that the same passes measure both.
public protocol DecoderModel: AnyObject {
  /// The head geometry; `rotary` is nil where queries and keys come as they are.
  var shape: AttentionShape { get }
  var workspace: Workspace { get }
  /// The most tokens that it takes.
  var contextLength: Int { get }
  /// Whether what a layer attends to reaches the layers and tokens after it. Where it does not, errors cannot build up.
  var carriesOutput: Bool { get }

  /// Does what no timing should contain, for a prompt and the decode steps after it; nothing for a real model, whose
  /// work all counts.
  func prepare(_ prompt: [Int32], decodeTokens: Int) throws

  /// As `LlamaModel.forward`.
  func forward(
    _ tokens: [Int32], firstPosition: Int, phase: AttentionPhase,
    attention: any LayerAttention, keeping: Range<Int>, afterLayer: ((Int) -> Void)?
  ) throws -> Matrix

  /// As `LlamaModel.decode`.
  func decode(
    _ tokens: [Int32], firstPosition: Int, attention: any LayerAttention
  ) throws -> Matrix

  /// As `LlamaModel.logits`.
  func logits(of hidden: Matrix, row: Int, into logits: inout [Float])

  /// As `LlamaModel.forEachLogits`.
  func forEachLogits(of hidden: Matrix, _ body: (_ row: Int, _ logits: Span<Float>) -> Void)

  /// Gives back the memory that is kept for the next pass.
  func releaseScratch()
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
}

extension LlamaModel: DecoderModel {
  public var contextLength: Int { configuration.contextLength }
}
