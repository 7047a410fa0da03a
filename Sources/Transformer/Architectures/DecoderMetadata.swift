import GGUF
import Tensors

/// The settings that a GGUF file states for its architecture, checked as they are read.
///
/// Remembers which were asked for: any other might change the output, and is refused in the end.
struct DecoderMetadata {
  let architecture: Architecture
  var tensors: DecoderTensors
  /// Takes the place of any scaling that the file states.
  let ropeScaling: RotaryScaling?
  /// The tokens that the model is opened for, where somebody says so.
  let openedFor: Int?
  private let file: GGUFFile
  private let name: String
  private var known: Set<String> = []

  /// Sizes beyond this are absurd, and their products could leave Int.
  static let sizeLimit = 1 << 24

  /// Throws for an architecture that is not supported.
  ///
  /// - Parameter name: what error messages call the file.
  init(
    _ file: GGUFFile, name: String, ropeScaling: RotaryScaling? = nil, openedFor: Int? = nil
  ) throws(ModelError) {
    self.file = file
    self.name = name
    self.ropeScaling = ropeScaling
    self.openedFor = openedFor
    tensors = DecoderTensors(file, name: name)
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

  /// Throws for settings that are absurd, contradict each other, or would change the output in a way
  /// that is not implemented.
  mutating func blueprint() throws(ModelError) -> DecoderBlueprint {
    var blueprint = try architecture.blueprint(&self)
    blueprint.dependsOnContextLength = try scaling()?.dependsOnContextLength ?? false
    if let problem = problems(of: blueprint).first { throw problem }
    return blueprint
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
      contextLength: try contextLength(), vocabularySize: try vocabularySize(),
      rmsEpsilon: try rmsEpsilon())
  }

  /// One geometry for all layers, of the usual scale.
  mutating func layersAlike(_ rotary: RotaryEmbedding) throws(ModelError) -> [LayerGeometry] {
    let layer = LayerGeometry(headDimension: try headDimension(), rotary: rotary)
    return Array(repeating: layer, count: try layers())
  }

  // MARK: Values that depend on others

  /// Each layer has at least one tensor, so a file cannot make the program count further than its
  /// own table.
  mutating func layers() throws(ModelError) -> Int {
    let count = try size("block_count")
    guard count <= tensors.count else {
      throw problem("block_count", "\(count)", "at most the file's \(tensors.count) tensors")
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
    let rows = try tensors.shape(of: tensor).last ?? 0
    guard dimension <= rows else {
      throw problem(
        "attention.key_length", "\(dimension)", "at most the \(rows) rows of \(tensor)")
    }
    return dimension
  }

  /// As many tokens as the embedding has rows.
  private mutating func vocabularySize() throws(ModelError) -> Int {
    let shape = try tensors.shape(of: DecoderWeights.embeddingName)
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

  // MARK: Reading

  private func full(_ key: String) -> String { architecture.name + "." + key }

  mutating func size(_ key: String) throws(ModelError) -> Int {
    try checked(key, try value(key, GGUFFile.integer(_:)))
  }

  mutating func optionalSize(_ key: String) throws(ModelError) -> Int? {
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

  mutating func optionalNumber(_ key: String) throws(ModelError) -> Double? {
    try value(key, GGUFFile.number(ifPresent:))
  }

  mutating func optionalText(_ key: String) throws(ModelError) -> String? {
    try value(key, GGUFFile.string(ifPresent:))
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

  /// What is wrong with the settings that nothing asked for, and with the vocabulary; to be called
  /// when the blueprint is filled.
  func problems(of blueprint: DecoderBlueprint) -> [ModelError] {
    var problems = unknownSettings()
    if let problem = vocabularyProblem(of: blueprint) { problems.append(problem) }
    return problems
  }

  /// A text must not become an id that the embedding and the logits have no row for. Rows without a
  /// token are usual: they are padded.
  private func vocabularyProblem(of blueprint: DecoderBlueprint) -> ModelError? {
    let key = "tokenizer.ggml.tokens"
    let rows = blueprint.vocabularySize
    guard case .array(let tokens)? = file.metadata[key], tokens.count > rows else { return nil }
    let allowed =
      "at most the \(rows) rows of \(DecoderWeights.embeddingName), one for each token; convert the model anew"
    return ModelError(
      file: name, .setting(key: key, value: "\(tokens.count) tokens", allowed: allowed))
  }

  private func unknownSettings() -> [ModelError] {
    file.metadata.sorted { $0.key < $1.key }.compactMap { key, value in
      guard key.hasPrefix(full("")), !known.contains(key) else { return nil }
      let setting = String(key.dropFirst(full("").count))
      guard let allowed = Architecture.unusedSettings[setting] else {
        return ModelError(file: name, .unknownSetting(key: key, value: value.plainText))
      }
      guard !allowed.contains(value.plainText) else { return nil }
      return problem(
        setting, value.plainText,
        allowed.map { "\"\($0)\"" }.joined(separator: ", ") + " (nothing else is implemented)")
    }
  }

  func problem(_ key: String, _ value: String, _ allowed: String) -> ModelError {
    ModelError(file: name, .setting(key: full(key), value: value, allowed: allowed))
  }
}
