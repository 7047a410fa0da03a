import Foundation

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
  /// What queries and keys are multiplied with as they are rotated (YaRN's attention factor); 1 in
  /// nearly every model. Logits have its square. What is rotated already only turns further.
  public var magnitude: Double

  /// `base^(-2i/d)` for pair i.
  public init(base: Double, dimensions: Int, layout: Layout) {
    self.init(
      frequencies: (0..<dimensions / 2).map { pair in
        pow(base, -2 * Double(pair) / Double(dimensions))
      }, layout: layout)
  }

  public init(frequencies: [Double], layout: Layout, magnitude: Double = 1) {
    self.frequencies = frequencies
    self.layout = layout
    self.magnitude = magnitude
  }
}
