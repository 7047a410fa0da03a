import Foundation
import GGUF
import Tensors
import Transformer

/// The sizes of a model, and how its layers attend.
public struct ModelGeometry: Encodable, Sendable, Hashable {
  public var contextLength: Int?
  public var hiddenSize: Int?
  public var feedForwardSize: Int?
  public var vocabularySize: Int?
  public var layers: Int
  /// Layers that attend to all tokens before; nil where the file leaves open which do.
  public var globalLayers: Int?
  /// Layers of one kind together, in the order in which each kind comes first.
  public var layerKinds: [LayerKind]

  public struct LayerKind: Encodable, Sendable, Hashable {
    /// How many layers are of it.
    public var layers: Int
    public var queryHeads: Int
    public var kvHeads: Int
    public var headDimension: Int
    /// Tokens that a query sees, itself included; nil for all before it.
    public var window: Int?
    /// Of the rotary frequencies before any scaling.
    public var rotaryBase: Double?
    /// How the frequencies are scaled; nil for not at all.
    public var rotaryScaling: String?
    /// What logits q·k are multiplied with; nil where the architecture decides in ways unknown here.
    public var scale: Double?
  }
}

/// The memory that keys and values take.
public struct KVCacheSize: Encodable, Sendable, Hashable {
  public var tokens: Int
  public var float32Bytes: Int
  public var float16Bytes: Int
}

extension ModelGeometry {
  /// Of a model that this program runs.
  init(_ blueprint: DecoderBlueprint, _ file: GGUFFile) {
    let shape = blueprint.shape
    var kinds: [LayerGeometry] = []
    for layer in shape.geometry where !kinds.contains(layer) { kinds.append(layer) }
    contextLength = blueprint.contextLength
    hiddenSize = blueprint.hiddenSize
    feedForwardSize = blueprint.feedForwardSize
    vocabularySize = blueprint.vocabularySize
    layers = shape.layers
    globalLayers = shape.geometry.count { $0.window == nil }
    layerKinds = kinds.map { kind in
      let rotary = kind.rotary.map(RotaryFacts.init)
      return LayerKind(
        layers: shape.geometry.count { $0 == kind }, queryHeads: shape.queryHeads,
        kvHeads: shape.kvHeads, headDimension: shape.headDimension, window: kind.window,
        rotaryBase: rotary?.base,
        rotaryScaling: rotary?.isScaled == true
          ? RotaryFacts.statedScaling(file, blueprint.architecture) ?? "scaled" : nil,
        scale: kind.scale)
    }
  }

  /// What the metadata of any architecture say under the usual keys, all layers taken as alike; nil
  /// where a size is missing or absurd.
  init?(statedBy file: GGUFFile) {
    guard let architecture = file.metadata["general.architecture"]?.text else { return nil }
    func size(_ key: String) -> Int? {
      let value = file.metadata["\(architecture).\(key)"]?.integer
      return value.flatMap { (1...1 << 24).contains($0) ? $0 : nil }
    }
    let hidden = size("embedding_length")
    guard let layers = size("block_count"), let queryHeads = size("attention.head_count"),
      let dimension = size("attention.key_length") ?? hidden.map({ $0 / queryHeads }),
      dimension > 0
    else { return nil }
    let window = size("attention.sliding_window")
    contextLength = size("context_length")
    hiddenSize = hidden
    feedForwardSize = size("feed_forward_length")
    vocabularySize = size("vocab_size") ?? (try? file.strings("tokenizer.ggml.tokens"))?.count
    self.layers = layers
    globalLayers = window == nil ? layers : nil
    layerKinds = [
      LayerKind(
        layers: layers, queryHeads: queryHeads,
        kvHeads: size("attention.head_count_kv") ?? queryHeads, headDimension: dimension,
        window: window, rotaryBase: file.metadata["\(architecture).rope.freq_base"]?.number,
        rotaryScaling: RotaryFacts.statedScaling(file, architecture), scale: nil)
    ]
  }

  /// What keys and values of so many tokens take, at most a window's in layers that have one; nil
  /// where that cannot be counted or is not known.
  func cacheSize(tokens: Int) -> KVCacheSize? {
    guard globalLayers != nil else { return nil }
    var numbers = 0
    for kind in layerKinds {
      var product = 2
      for size in [
        kind.layers, kind.kvHeads, kind.headDimension, min(tokens, kind.window ?? tokens),
      ] {
        let (larger, overflow) = product.multipliedReportingOverflow(by: size)
        guard !overflow else { return nil }
        product = larger
      }
      let (sum, overflow) = numbers.addingReportingOverflow(product)
      guard !overflow else { return nil }
      numbers = sum
    }
    let (float32, overflow) = numbers.multipliedReportingOverflow(by: MemoryLayout<Float>.size)
    return overflow
      ? nil : KVCacheSize(tokens: tokens, float32Bytes: float32, float16Bytes: float32 / 2)
  }
}

/// What the frequencies of a rotary embedding tell.
private struct RotaryFacts {
  /// That of the two fastest pairs, whose ratio no scaling by parts changes.
  let base: Double?
  /// Whether frequencies are others than those of the base.
  let isScaled: Bool

  init(_ rotary: RotaryEmbedding) {
    let frequencies = rotary.frequencies
    guard frequencies.count > 1, frequencies[0] > 0, frequencies[1] > 0 else {
      base = nil
      isScaled = frequencies.first.map { $0 != 1 } ?? false
      return
    }
    let pairs = Double(frequencies.count)
    let base = pow(frequencies[0] / frequencies[1], pairs)
    self.base = (base * 1e3).rounded() / 1e3
    isScaled = frequencies.enumerated().contains { pair, frequency in
      abs(frequency * pow(base, Double(pair) / pairs) - 1) > 1e-9 * pairs
    }
  }

  /// What the metadata say of scaling: "linear, factor 8", "rope_freqs.weight"; nil for nothing.
  static func statedScaling(_ file: GGUFFile, _ architecture: String) -> String? {
    let prefix = "\(architecture).rope.scaling."
    let type = file.metadata["\(prefix)type"]?.text
    var words = [type == "none" ? nil : type].compactMap { $0 }
    let factor =
      file.metadata["\(prefix)factor"] ?? file.metadata["\(architecture).rope.scale_linear"]
    if let factor = factor?.number, factor != 1, factor != 0 {
      words.append("factor \(factor.formatted)")
    }
    if !words.isEmpty, let length = file.metadata["\(prefix)original_context_length"]?.integer {
      words.append("from \(length) tokens")
    }
    if file.tensor(ifPresent: "rope_freqs.weight") != nil { words.append("rope_freqs.weight") }
    return words.isEmpty ? nil : words.joined(separator: ", ")
  }
}

extension Double {
  /// Without a fraction of zero.
  fileprivate var formatted: String { String(format: "%g", self) }
}
