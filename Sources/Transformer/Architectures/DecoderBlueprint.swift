import Kernels
import Tensors

/// What a decoder computes: its sizes, how each layer attends, and what stands around the products.
///
/// A layer: RMS norm, grouped-query attention, residual; RMS norm, gated feed-forward network,
/// residual. Read from a file's metadata by its `Architecture`.
public struct DecoderBlueprint: Sendable, Hashable {
  /// As `general.architecture` has it.
  public var architecture: String
  /// Heads, and the geometry of each layer.
  public var shape: AttentionShape
  /// Width of the residual stream.
  public var hiddenSize: Int
  /// Width inside the feed-forward network.
  public var feedForwardSize: Int
  /// The most tokens that the model takes: those it was made for, or more under a rotary scaling.
  /// Where every layer has a window (Mistral 7B v0.1) no more than fit into it, so that the window
  /// never acts, and strategies act on all layers.
  public var contextLength: Int
  /// Whether what it computes depends on the tokens that it is opened for (`dynamic-ntk`).
  public var dependsOnContextLength = false
  /// Token ids are 0 ..< vocabularySize.
  public var vocabularySize: Int
  /// Added to the mean square before its root.
  public var rmsEpsilon: Float
  /// Of the feed-forward network's gate.
  public var activation = Activation.silu
  /// What embeddings are multiplied with.
  public var embeddingScale: Float = 1
  /// Whether queries, keys and values have biases.
  public var hasBiases = false
  /// Whether each head of queries and keys is normalised before its rotation.
  public var normalizesHeads = false
  /// Whether what attention and feed-forward network give is normalised before the residual.
  public var normalizesOutputs = false

  /// Weights in the matrices of all layers.
  public var matrixParameters: Int {
    let attention = 2 * hiddenSize * (shape.queryColumns + shape.keyColumns)
    return shape.layers * (attention + 3 * hiddenSize * feedForwardSize)
  }

  /// Weights in the output matrix.
  public var outputParameters: Int { vocabularySize * hiddenSize }

  /// Floating-point operations of a dense prefill with the last token's logits: two for each weight
  /// and token, and the causal half of attention, inside windows.
  public func prefillOperations(tokens: Int) -> Double {
    let weights = Double(matrixParameters) * Double(tokens) + Double(outputParameters)
    let pairs = shape.geometry.reduce(0) { $0 + $1.causalPairs(tokens: tokens) }
    return 2 * weights + 4 * pairs * Double(shape.queryColumns)
  }
}
