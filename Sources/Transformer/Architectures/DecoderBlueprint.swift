import GGUF
import Tensors

/// What a decoder computes: its sizes, and how each layer attends.
///
/// Each layer: RMS norm, grouped-query attention, residual; RMS norm, gated feed-forward network
/// (SiLU), residual. No biases. Read from a file's metadata by its `Architecture`.
public struct DecoderBlueprint: Sendable, Hashable {
  /// As `general.architecture` has it.
  public var architecture: String
  /// Heads, and the geometry of each layer.
  public var shape: AttentionShape
  /// Width of the residual stream.
  public var hiddenSize: Int
  /// Width inside the feed-forward network.
  public var feedForwardSize: Int
  /// Tokens that the model was made for.
  public var contextLength: Int
  /// Token ids are 0 ..< vocabularySize.
  public var vocabularySize: Int
  /// Added to the mean square before its root.
  public var rmsEpsilon: Float

  /// Weights in the matrices of all layers.
  public var matrixParameters: Int {
    let attention = 2 * hiddenSize * (shape.queryColumns + shape.keyColumns)
    return shape.layers * (attention + 3 * hiddenSize * feedForwardSize)
  }

  /// Weights in the output matrix.
  public var outputParameters: Int { vocabularySize * hiddenSize }

  /// Floating-point operations of a dense prefill with the last token's logits: two for each weight
  /// and token, and the causal half of attention.
  public func prefillOperations(tokens: Int) -> Double {
    let pairs = Double(tokens) * Double(tokens + 1) / 2
    let weights = Double(matrixParameters) * Double(tokens) + Double(outputParameters)
    return 2 * weights + 4 * pairs * Double(shape.queryColumns * shape.layers)
  }
}

extension DecoderBlueprint {
  /// Throws for an architecture that is not supported, and for settings that are absurd, contradict
  /// each other, or would change the output in a way that is not implemented.
  ///
  /// - Parameter name: what error messages call the file.
  init(_ file: GGUFFile, name: String) throws(ModelError) {
    var metadata = try DecoderMetadata(file, name: name)
    self = try metadata.architecture.blueprint(&metadata)
    if let problem = metadata.unknownSettings().first { throw problem }
  }
}
