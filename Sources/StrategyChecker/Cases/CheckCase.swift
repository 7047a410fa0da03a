import JSON
import Tensors

/// One situation that a strategy is put into. Its JSON text says all that is needed to run it again.
public struct CheckCase: Codable, Sendable, Hashable, CustomStringConvertible {
  /// Of the made-up queries, keys and values.
  public var seed: Int
  public var layers: Int
  public var queryHeads: Int
  public var kvHeads: Int
  public var headDimension: Int
  /// Base of the rotary positions that queries and keys are taken to have; nil where no rotation is known.
  public var ropeBase: Double?
  public var promptTokens: Int
  /// Decode steps after the prompt.
  public var decodeTokens: Int
  /// How the KV cache holds keys and values.
  public var cache: CacheFormat
  /// Every parameter of the strategy.
  public var parameters: JSONValue
  /// True if these parameters keep everything, so that the strategy must equal dense attention.
  public var coversEverything: Bool

  public var tokens: Int { promptTokens + decodeTokens }

  /// The head geometry; traps unless the counts fit, so check ``isValid`` first where they come from outside.
  var shape: AttentionShape {
    AttentionShape(
      layers: layers, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension,
      rotary: ropeBase.map {
        RotaryEmbedding(base: $0, dimensions: headDimension, layout: .interleaved)
      })
  }

  /// False if the numbers describe no sequence or no head geometry, or one too large to check.
  public var isValid: Bool {
    [layers, queryHeads, kvHeads, headDimension].allSatisfy { (1...4096).contains($0) }
      && queryHeads % kvHeads == 0
      && (ropeBase.map { $0 > 0 && $0.isFinite && headDimension % 2 == 0 } ?? true)
      && (1...65_536).contains(promptTokens)
      && (0...65_536).contains(decodeTokens)
      && cache.complaint(headDimension: headDimension) == nil
  }

  /// The case as one line of JSON.
  public var description: String {
    // A record of numbers and a JSON value always encodes.
    (try? JSONValue(encoding: self).canonicalText) ?? "seed \(seed), \(promptTokens) tokens"
  }
}
