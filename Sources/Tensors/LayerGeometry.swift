/// How one layer's attention differs from that of other layers of its model.
public struct LayerGeometry: Sendable, Hashable {
  /// How positions enter queries and keys; nil where no rotation is known (tensors of a user).
  public var rotary: RotaryEmbedding?
  /// The attention scale: the logit of a query and a key is `scale · q·k`.
  public var scale: Double
  /// A query at q sees the keys at k ≤ q with q − k < window; nil for all of them.
  public var window: Int?

  /// - Parameter scale: 1/√headDimension if not given.
  public init(
    headDimension: Int, rotary: RotaryEmbedding? = nil, scale: Double? = nil, window: Int? = nil
  ) {
    self.rotary = rotary
    self.scale = scale ?? Self.usualScale(headDimension: headDimension)
    self.window = window
  }

  /// Pairs of a query and a key that it sees, of a prompt.
  public func causalPairs(tokens: Int) -> Double {
    // Queries from the window's length on see a whole window each.
    let (growing, length) = (Double(min(tokens, window ?? tokens)), Double(tokens))
    return growing * (growing + 1) / 2 + (length - growing) * growing
  }

  /// 1/√headDimension, the scale of nearly every model.
  public static func usualScale(headDimension: Int) -> Double {
    1 / Double(headDimension).squareRoot()
  }
}
