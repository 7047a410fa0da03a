import GGUF
import Tensors

/// The settings that a GGUF file states for its architecture, checked as they are read.
///
/// Remembers which were asked for: any other might change the output, and is refused in the end.
struct DecoderMetadata {
  let architecture: Architecture
  private let file: GGUFFile
  private let name: String
  private let shapes: [String: [Int]]
  private var known: Set<String> = []

  /// Sizes beyond this are absurd, and their products could leave Int.
  private static let sizeLimit = 1 << 24

  init(_ file: GGUFFile, name: String) throws(ModelError) {
    self.file = file
    self.name = name
    shapes = Dictionary(
      file.tensors.map { ($0.name, $0.dimensions) }, uniquingKeysWith: { first, _ in first })
    let stated: String
    do {
      try file.requireWhole()
      stated = try file.string("general.architecture")
    } catch {
      throw ModelError(file: name, .unreadable(error.description))
    }
    guard let architecture = Architecture.supported.first(where: { $0.name == stated }) else {
      throw ModelError(file: name, .unsupportedArchitecture(stated))
    }
    self.architecture = architecture
  }

  /// The sizes that all architectures state alike, around the geometry that they differ in.
  mutating func blueprint(geometry: [LayerGeometry]) throws(ModelError) -> DecoderBlueprint {
    let queryHeads = try size("attention.head_count")
    let kvHeads = try optionalSize("attention.head_count_kv") ?? queryHeads
    guard queryHeads % kvHeads == 0 else {
      throw problem(
        "attention.head_count_kv", "\(kvHeads)", "a divisor of the \(queryHeads) query heads")
    }
    return DecoderBlueprint(
      architecture: architecture.name,
      shape: AttentionShape(
        queryHeads: queryHeads, kvHeads: kvHeads, headDimension: try headDimension(),
        geometry: geometry),
      hiddenSize: try size("embedding_length"), feedForwardSize: try size("feed_forward_length"),
      contextLength: try size("context_length"), vocabularySize: try vocabularySize(),
      rmsEpsilon: try rmsEpsilon())
  }

  // MARK: Values that depend on others

  /// Each layer has at least one tensor, so a file cannot make the program count further than its
  /// own table.
  mutating func layers() throws(ModelError) -> Int {
    let count = try size("block_count")
    guard count <= file.tensors.count else {
      throw problem("block_count", "\(count)", "at most the file's \(file.tensors.count) tensors")
    }
    return count
  }

  /// `attention.key_length`, else the hidden size over the number of heads.
  mutating func headDimension() throws(ModelError) -> Int {
    let dimension: Int
    if let stated = try optionalSize("attention.key_length") {
      dimension = stated
    } else {
      let (hidden, heads) = (try size("embedding_length"), try size("attention.head_count"))
      guard hidden % heads == 0 else {
        throw problem(
          "attention.head_count", "\(heads)", "a divisor of embedding_length (\(hidden))")
      }
      dimension = hidden / heads
    }
    guard dimension % 2 == 0 else {
      throw problem(
        "attention.key_length", "\(dimension)", "an even head dimension, for rotary pairs")
    }
    for key in ["attention.value_length", "rope.dimension_count"] {
      if let other = try optionalSize(key), other != dimension {
        throw problem(key, "\(other)", "the head dimension, \(dimension)")
      }
    }
    // Tables of a head's size are then never larger than a tensor that the file really has.
    let tensor = DecoderWeights.firstQueryName
    guard let rows = shapes[tensor]?.last else {
      throw ModelError(file: name, .missingTensor(tensor))
    }
    guard dimension <= rows else {
      throw problem(
        "attention.key_length", "\(dimension)", "at most the \(rows) rows of \(tensor)")
    }
    return dimension
  }

  /// As many tokens as the embedding has rows.
  private mutating func vocabularySize() throws(ModelError) -> Int {
    guard let shape = shapes[DecoderWeights.embeddingName] else {
      throw ModelError(file: name, .missingTensor(DecoderWeights.embeddingName))
    }
    let rows = shape.count == 2 ? shape[1] : 0
    guard (1...Int(Int32.max)).contains(rows) else {
      throw ModelError(
        file: name,
        .tensorShape(
          name: DecoderWeights.embeddingName, found: shape,
          expected: [try size("embedding_length"), try size("vocab_size")]))
    }
    if let stated = try optionalSize("vocab_size"), stated != rows {
      throw problem(
        "vocab_size", "\(stated)", "the \(rows) rows of \(DecoderWeights.embeddingName)")
    }
    return rows
  }

  private mutating func rmsEpsilon() throws(ModelError) -> Float {
    let key = "attention.layer_norm_rms_epsilon"
    let value = try value(key, GGUFFile.number(_:))
    guard value >= 0, value < 1 else { throw problem(key, "\(value)", "0 up to 1") }
    return Float(value)
  }

  /// The base of the rotary frequencies, 10,000 where the file is silent.
  mutating func rotaryBase() throws(ModelError) -> Double {
    let key = "rope.freq_base"
    let value = try value(key, GGUFFile.number(ifPresent:))
    guard let value else { return 10_000 }
    guard value >= 1, value.isFinite else { throw problem(key, "\(value)", "a number from 1 on") }
    return value
  }

  // MARK: Reading

  private func full(_ key: String) -> String { architecture.name + "." + key }

  private mutating func size(_ key: String) throws(ModelError) -> Int {
    try checked(key, try value(key, GGUFFile.integer(_:)))
  }

  private mutating func optionalSize(_ key: String) throws(ModelError) -> Int? {
    let value = try value(key, GGUFFile.integer(ifPresent:))
    guard let value else { return nil }
    return try checked(key, value)
  }

  private func checked(_ key: String, _ value: Int) throws(ModelError) -> Int {
    guard (1...Self.sizeLimit).contains(value) else {
      throw problem(key, "\(value)", "1 to \(Self.sizeLimit)")
    }
    return value
  }

  /// What is wrong with the settings that nothing asked for; to be called when the blueprint is
  /// filled.
  func unknownSettings() -> [ModelError] {
    file.metadata.sorted { $0.key < $1.key }.compactMap { key, value in
      guard key.hasPrefix(full("")), !known.contains(key) else { return nil }
      let setting = String(key.dropFirst(full("").count))
      guard let allowed = architecture.unusedSettings[setting] else {
        return ModelError(file: name, .unknownSetting(key: key, value: value.plainText))
      }
      guard !allowed.contains(value.plainText) else { return nil }
      return problem(
        setting, value.plainText,
        allowed.map { "\"\($0)\"" }.joined(separator: ", ") + " (nothing else is implemented)")
    }
  }

  private func problem(_ key: String, _ value: String, _ allowed: String) -> ModelError {
    ModelError(file: name, .setting(key: full(key), value: value, allowed: allowed))
  }

  private mutating func value<Value>(
    _ key: String, _ getter: (GGUFFile) -> (String) throws(GGUFError) -> Value
  ) throws(ModelError) -> Value {
    known.insert(full(key))
    do {
      return try getter(file)(full(key))
    } catch {
      throw ModelError(file: name, .unreadable(error.description))
    }
  }
}
