import GGUF
import Kernels
import Records

/// A random model of the llama architecture that is built in milliseconds: for tests of the forward pass and for smoke
/// experiments. Its metadata has the keys of SmolLM2-135M-Instruct, its vocabulary is ``TinyVocabulary``.
///
/// The same settings give the same bytes everywhere. The weights are scaled so that the numbers behave as in a real
/// model: attention scores that differ between keys (logits with a standard deviation near 2), layers that change the
/// residual stream by about its own size, output logits with a standard deviation of 2 to 3.
public struct TinyModel: Sendable {
  /// As `general.architecture` has it, and the prefix of its settings.
  public static let architecture = "llama"

  public var seed = 1
  public var layers = 2
  public var queryHeads = 4
  public var kvHeads = 2
  /// Even; the hidden size is `queryHeads * headDimension`.
  public var headDimension = 16
  public var feedForwardSize = 96
  public var contextLength = 4_096
  public var ropeBase: Float = 10_000
  public var rmsEpsilon: Float = 1e-5
  /// The format of the matrices; their rows (hidden size, feed-forward size) must be whole blocks.
  public var format = BlockFormat.q4_1
  public var embeddingFormat = BlockFormat.q8_0
  /// Formats of single tensors, by name, such as "blk.0.attn_q.weight".
  public var formats: [String: BlockFormat] = [:]
  /// Whether there is an `output.weight`; without it the embeddings are used once more, as in SmolLM2.
  public var hasOutputMatrix = false
  /// Whether the file asks for a BOS token (1) before every text.
  public var addsBOS = false
  public var chatTemplate: String? = TinyVocabulary.chatTemplate

  public init() {}

  public var hiddenSize: Int { queryHeads * headDimension }

  /// A model whose rows are whole blocks of 256, for the k formats.
  public static func wide(_ format: BlockFormat) -> TinyModel {
    var model = TinyModel()
    model.queryHeads = 8
    model.headDimension = 32
    model.feedForwardSize = 512
    model.format = format
    model.embeddingFormat = format
    return model
  }

  public func write(to path: String) throws { try writer().write(to: path) }

  /// The model, in memory.
  public func file() throws(GGUFError) -> GGUFFile {
    try GGUFFile(storage: ArrayStorage(writer().encoded()), name: "tiny model")
  }

  /// The file before it is written, for tests that change or damage it.
  public func writer() -> GGUFWriter {
    var writer = GGUFWriter()
    addMetadata(to: &writer)
    addTensors(to: &writer)
    return writer
  }

  private func addMetadata(to writer: inout GGUFWriter) {
    let count = { (value: Int) in GGUFValue.uint32(UInt32(value)) }
    func add(_ setting: String, _ value: GGUFValue) {
      writer.add("\(Self.architecture).\(setting)", value)
    }
    writer.add("general.architecture", .string(Self.architecture))
    writer.add("general.type", .string("model"))
    writer.add("general.name", .string("Tiny random model, seed \(seed)"))
    writer.add("general.license", .string("apache-2.0"))
    writer.add("general.languages", .array(.string(["en"])))
    add("block_count", count(layers))
    add("context_length", count(contextLength))
    add("embedding_length", count(hiddenSize))
    add("feed_forward_length", count(feedForwardSize))
    add("attention.head_count", count(queryHeads))
    add("attention.head_count_kv", count(kvHeads))
    add("rope.freq_base", .float32(ropeBase))
    add("attention.layer_norm_rms_epsilon", .float32(rmsEpsilon))
    add("vocab_size", count(TinyVocabulary.tokens.count))
    add("rope.dimension_count", count(headDimension))
    writer.add("tokenizer.ggml.add_space_prefix", .bool(false))
    writer.add("tokenizer.ggml.add_bos_token", .bool(addsBOS))
    writer.add("tokenizer.ggml.model", .string("gpt2"))
    writer.add("tokenizer.ggml.pre", .string("smollm"))
    writer.add("tokenizer.ggml.tokens", .array(.string(TinyVocabulary.tokens)))
    writer.add("tokenizer.ggml.token_type", .array(.int32(TinyVocabulary.tokenTypes)))
    writer.add("tokenizer.ggml.merges", .array(.string(TinyVocabulary.merges)))
    writer.add("tokenizer.ggml.bos_token_id", count(1))
    writer.add("tokenizer.ggml.eos_token_id", count(2))
    writer.add("tokenizer.ggml.unknown_token_id", count(0))
    writer.add("tokenizer.ggml.padding_token_id", count(2))
    if let chatTemplate { writer.add("tokenizer.chat_template", .string(chatTemplate)) }
    writer.add("general.quantization_version", count(2))
  }

  private func addTensors(to writer: inout GGUFWriter) {
    let vocabulary = TinyVocabulary.tokens.count
    let hidden = hiddenSize
    let kvSize = kvHeads * headDimension
    // A matrix that maps inputs of size 1 to outputs of size 1.
    let hiddenDeviation = 1 / Double(hidden).squareRoot()
    let feedForwardDeviation = 1 / Double(feedForwardSize).squareRoot()
    // Tied embeddings: a normalised hidden state times an embedding of this size gives logits of size 2.5.
    let embeddingDeviation = 2.5 * hiddenDeviation

    addMatrix(
      "token_embd.weight", rows: vocabulary, columns: hidden, embeddingDeviation, embeddingFormat,
      to: &writer)
    for layer in 0..<layers {
      let prefix = "blk.\(layer)."
      addNorm(prefix + "attn_norm.weight", to: &writer)
      addMatrix(
        prefix + "ffn_down.weight", rows: hidden, columns: feedForwardSize,
        feedForwardDeviation, format, to: &writer)
      for name in ["ffn_gate.weight", "ffn_up.weight"] {
        addMatrix(
          prefix + name, rows: feedForwardSize, columns: hidden, hiddenDeviation, format,
          to: &writer)
      }
      addNorm(prefix + "ffn_norm.weight", to: &writer)
      for (name, rows, factor) in [
        ("attn_k.weight", kvSize, 1.4), ("attn_output.weight", hidden, 1),
        ("attn_q.weight", hidden, 1.4), ("attn_v.weight", kvSize, 1),
      ] {
        addMatrix(
          prefix + name, rows: rows, columns: hidden, factor * hiddenDeviation, format,
          to: &writer)
      }
    }
    addNorm("output_norm.weight", to: &writer)
    if hasOutputMatrix {
      addMatrix(
        "output.weight", rows: vocabulary, columns: hidden, embeddingDeviation, embeddingFormat,
        to: &writer)
    }
  }

  private func addMatrix(
    _ name: String, rows: Int, columns: Int, _ deviation: Double, _ usual: BlockFormat,
    to writer: inout GGUFWriter
  ) {
    let format = formats[name] ?? usual
    precondition(
      columns % format.elementsPerBlock == 0,
      "TinyModel: \(name) has rows of \(columns), \(format.rawValue) needs whole blocks of \(format.elementsPerBlock)"
    )
    // A generator for each tensor: another shape elsewhere does not change these weights.
    var generator = SeededGenerator(seed: seed, purpose: name)
    let bytes = RandomWeights.bytes(
      format, count: rows * columns, deviation: deviation, using: &generator)
    writer.add(tensor: name, dimensions: [columns, rows], format: format, bytes: bytes)
  }

  /// Weights around 1.
  private func addNorm(_ name: String, to writer: inout GGUFWriter) {
    var generator = SeededGenerator(seed: seed, purpose: name)
    var bytes: [UInt8] = []
    for _ in 0..<hiddenSize {
      let bits = Float(1 + 0.1 * generator.normal()).bitPattern
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: bits >> UInt32(8 * $0)) }
    }
    writer.add(tensor: name, dimensions: [hiddenSize], format: .f32, bytes: bytes)
  }
}
