import Foundation

/// The head geometry of a model's attention, the same in every layer.
///
/// Query head `h` reads KV head `h / queryHeadsPerKVHead` (grouped-query attention).
public struct AttentionShape: Sendable, Hashable {
  public var layers: Int
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDimension: Int
  /// How positions are written into queries and keys; nil where no rotation is known (tensors of a user).
  public var rotary: RotaryEmbedding?

  /// Traps unless every count is positive and `queryHeads` is a multiple of `kvHeads`.
  public init(
    layers: Int, queryHeads: Int, kvHeads: Int, headDimension: Int, rotary: RotaryEmbedding? = nil
  ) {
    precondition(
      layers > 0 && queryHeads > 0 && kvHeads > 0 && headDimension > 0
        && queryHeads % kvHeads == 0,
      "AttentionShape: \(layers) layers, \(queryHeads) query heads, \(kvHeads) KV heads, d \(headDimension)"
    )
    self.layers = layers
    self.queryHeads = queryHeads
    self.kvHeads = kvHeads
    self.headDimension = headDimension
    self.rotary = rotary
  }

  public var queryHeadsPerKVHead: Int { queryHeads / kvHeads }

  /// The query heads that read a KV head.
  public func queryHeads(of kvHead: Int) -> Range<Int> {
    kvHead * queryHeadsPerKVHead..<(kvHead + 1) * queryHeadsPerKVHead
  }

  public func kvHead(of queryHead: Int) -> Int { queryHead / queryHeadsPerKVHead }
}

/// Rotary position embedding: dimension pair i of a head turns by `position * frequencies[i]`.
public struct RotaryEmbedding: Sendable, Hashable {
  public enum Layout: String, Sendable, Hashable, Codable {
    /// Pairs (0, 1), (2, 3), …: how GGUF stores the llama architecture.
    case interleaved
    /// Pairs (0, d/2), (1, d/2 + 1), …: how most other architectures are stored.
    case halfSplit
  }

  public var layout: Layout
  /// Radians per position, one for each dimension pair.
  public var frequencies: [Double]

  /// `base^(-2i/d)` for pair i.
  public init(base: Double, dimensions: Int, layout: Layout) {
    self.layout = layout
    frequencies = (0..<dimensions / 2).map { pair in
      pow(base, -2 * Double(pair) / Double(dimensions))
    }
  }

  public init(frequencies: [Double], layout: Layout) {
    self.frequencies = frequencies
    self.layout = layout
  }
}
