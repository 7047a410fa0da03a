import GGUF

/// Reads a llama configuration out of a GGUF file's metadata and refuses what this program would compute wrongly.
struct LlamaMetadata {
  private let file: GGUFFile
  private let name: String
  private let shapes: [String: [Int]]

  init(_ file: GGUFFile, name: String) {
    self.file = file
    self.name = name
    shapes = Dictionary(
      file.tensors.map { ($0.name, $0.dimensions) }, uniquingKeysWith: { first, _ in first })
  }

  /// Settings whose values are read.
  private static let read: Set<String> = [
    "block_count", "context_length", "embedding_length", "feed_forward_length", "vocab_size",
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.value_length", "attention.layer_norm_rms_epsilon", "rope.dimension_count",
    "rope.freq_base",
  ]

  /// Settings that are accepted while they say "not used".
  private static let neutral: [String: [String]] = [
    "attention.causal": ["true"],
    "attention.clamp_kqv": ["0", "0.0"],
    "attention.max_alibi_bias": ["0", "0.0"],
    "attention.sliding_window": ["0"],
    "expert_count": ["0"],
    "expert_used_count": ["0"],
    "rope.scale_linear": ["1", "1.0"],
    "rope.scaling.attn_factor": ["1", "1.0"],
    "rope.scaling.factor": ["0", "0.0", "1", "1.0"],
    "rope.scaling.finetuned": ["false", "true"],
    "rope.scaling.type": ["none"],
    "tensor_data_layout": ["reference", "Meta AI original pth"],
    "use_parallel_residual": ["false"],
  ]

  /// Sizes beyond this are absurd, and their products could leave Int.
  private static let sizeLimit = 1 << 24

  func configuration() throws(ModelError) -> LlamaConfiguration {
    let architecture = try reading { () throws(GGUFError) in
      try file.requireWhole()
      return try file.string("general.architecture")
    }
    guard LlamaModel.architectures.contains(architecture) else {
      throw ModelError(file: name, .unsupportedArchitecture(architecture))
    }
    try refuseUnknownSettings(of: architecture)

    let hidden = try size("embedding_length")
    let queryHeads = try size("attention.head_count")
    let kvHeads = try optionalSize("attention.head_count_kv") ?? queryHeads
    guard queryHeads % kvHeads == 0 else {
      throw problem(
        "attention.head_count_kv", "\(kvHeads)", "a divisor of the \(queryHeads) query heads")
    }
    let headDimension = try headDimension(hidden: hidden, queryHeads: queryHeads)
    return LlamaConfiguration(
      layers: try layers(), hiddenSize: hidden, queryHeads: queryHeads, kvHeads: kvHeads,
      headDimension: headDimension, feedForwardSize: try size("feed_forward_length"),
      contextLength: try size("context_length"), vocabularySize: try vocabularySize(),
      rmsEpsilon: try rmsEpsilon(), ropeBase: try ropeBase())
  }

  // MARK: Values that depend on others

  /// Each layer has at least one tensor, so a file cannot make the program count further than its own table.
  private func layers() throws(ModelError) -> Int {
    let count = try size("block_count")
    guard count <= file.tensors.count else {
      throw problem("block_count", "\(count)", "at most the file's \(file.tensors.count) tensors")
    }
    return count
  }

  private func headDimension(hidden: Int, queryHeads: Int) throws(ModelError) -> Int {
    let dimension: Int
    if let stated = try optionalSize("attention.key_length") {
      dimension = stated
    } else if hidden % queryHeads == 0 {
      dimension = hidden / queryHeads
    } else {
      throw problem(
        "attention.head_count", "\(queryHeads)", "a divisor of embedding_length (\(hidden))")
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
    // So that tables of a head's size are never larger than a tensor that the file really has.
    if let rows = shapes["blk.0.attn_q.weight"]?.last, dimension > rows {
      throw problem(
        "attention.key_length", "\(dimension)", "at most the \(rows) rows of blk.0.attn_q.weight")
    }
    return dimension
  }

  /// As many tokens as the embedding has rows.
  private func vocabularySize() throws(ModelError) -> Int {
    guard let shape = shapes[LlamaWeights.embeddingName] else {
      throw ModelError(file: name, .missingTensor(LlamaWeights.embeddingName))
    }
    let rows = shape.count == 2 ? shape[1] : 0
    guard (1...Int(Int32.max)).contains(rows) else {
      throw ModelError(
        file: name,
        .tensorShape(
          name: LlamaWeights.embeddingName, found: shape,
          expected: [try size("embedding_length"), try size("vocab_size")]))
    }
    if let stated = try optionalSize("vocab_size"), stated != rows {
      throw problem(
        "vocab_size", "\(stated)", "the \(rows) rows of \(LlamaWeights.embeddingName)")
    }
    return rows
  }

  private func rmsEpsilon() throws(ModelError) -> Float {
    let key = "attention.layer_norm_rms_epsilon"
    let value = try reading { () throws(GGUFError) in try file.number(full(key)) }
    guard value >= 0, value < 1 else { throw problem(key, "\(value)", "0 up to 1") }
    return Float(value)
  }

  private func ropeBase() throws(ModelError) -> Double {
    let key = "rope.freq_base"
    let value = try reading { () throws(GGUFError) in try file.number(ifPresent: full(key)) }
    guard let value else { return 10_000 }
    guard value >= 1, value.isFinite else { throw problem(key, "\(value)", "a number from 1 on") }
    return value
  }

  // MARK: Reading

  private func full(_ key: String) -> String { "llama." + key }

  private func size(_ key: String) throws(ModelError) -> Int {
    try checked(key, try reading { () throws(GGUFError) in try file.integer(full(key)) })
  }

  private func optionalSize(_ key: String) throws(ModelError) -> Int? {
    let value = try reading { () throws(GGUFError) in try file.integer(ifPresent: full(key)) }
    guard let value else { return nil }
    return try checked(key, value)
  }

  private func checked(_ key: String, _ value: Int) throws(ModelError) -> Int {
    guard (1...Self.sizeLimit).contains(value) else {
      throw problem(key, "\(value)", "1 to \(Self.sizeLimit)")
    }
    return value
  }

  private func refuseUnknownSettings(of architecture: String) throws(ModelError) {
    let prefix = architecture + "."
    for key in file.metadata.keys.sorted() where key.hasPrefix(prefix) {
      let setting = String(key.dropFirst(prefix.count))
      if Self.read.contains(setting) { continue }
      let value = file.metadata[key].map(Self.text) ?? ""
      guard let allowed = Self.neutral[setting] else {
        throw ModelError(file: name, .unknownSetting(key: key, value: value))
      }
      guard allowed.contains(value) else {
        throw problem(
          setting, value,
          allowed.map { "\"\($0)\"" }.joined(separator: ", ") + " (nothing else is implemented)")
      }
    }
  }

  /// A value as it is compared and shown.
  private static func text(_ value: GGUFValue) -> String {
    if case .string(let string) = value { return string }
    return String(value.shortText.drop { $0 == "\"" }.reversed().drop { $0 == "\"" }.reversed())
  }

  private func problem(_ key: String, _ value: String, _ allowed: String) -> ModelError {
    ModelError(file: name, .setting(key: full(key), value: value, allowed: allowed))
  }

  private func reading<Value>(
    _ body: () throws(GGUFError) -> Value
  ) throws(ModelError) -> Value {
    do {
      return try body()
    } catch {
      throw ModelError(file: name, .unreadable(error.description))
    }
  }
}
