import Tensors

/// The sizes and constants of a llama-architecture decoder.
///
/// Each layer: RMS norm, grouped-query attention with rotary positions, residual; RMS norm, gated feed-forward
/// network (SiLU), residual. No biases.
public struct LlamaConfiguration: Sendable, Hashable {
  public var layers: Int
  /// Width of the residual stream.
  public var hiddenSize: Int
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDimension: Int
  /// Width inside the feed-forward network.
  public var feedForwardSize: Int
  /// Tokens that the model was made for.
  public var contextLength: Int
  /// Token ids are 0 ..< vocabularySize.
  public var vocabularySize: Int
  /// Added to the mean square before its root.
  public var rmsEpsilon: Float
  /// Dimension pair i turns by position · ropeBase^(−2i/headDimension).
  public var ropeBase: Double

  /// Columns of the queries and of the attention output.
  public var queryColumns: Int { queryHeads * headDimension }
  /// Columns of the keys and of the values.
  public var keyColumns: Int { kvHeads * headDimension }

  public var rotary: RotaryEmbedding {
    RotaryEmbedding(base: ropeBase, dimensions: headDimension, layout: .interleaved)
  }

  public var attentionShape: AttentionShape {
    AttentionShape(
      layers: layers, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension,
      rotary: rotary)
  }
}
