import GGUF
import Kernels
import LabTestSupport
import ModelLibrary
import Records
import Tokenization

/// A model file: its table, what `models inspect` says of it, its tokenizer, its first weights.
enum GGUFFormat: FuzzedFormat {
  /// What a model holds matters least here, and its tables most: a few small tensors of four models.
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    var file = generator.element(of: models)
    file.change { tensors in
      tensors = (0..<generator.index(below: 5)).map { number in
        var tensor = tensors[generator.index(below: tensors.count)]
        tensor.name += "\(number)"
        tensor.dimensions = [32]
        tensor.bytes = Array(tensor.bytes.prefix(128))
        return tensor
      }
    }
    return changed(file, &generator)
  }

  private static let models: [GGUFWriter] = (0..<4).map { seed in
    var model = TinyModel()
    model.seed = seed
    model.layers = 1
    model.queryHeads = 2
    model.kvHeads = 1
    model.feedForwardSize = 32
    return model.writer()
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    guard let file = try? GGUFFile(storage: ArrayStorage(bytes), name: "x") else { return nil }
    return changed(GGUFWriter(copying: file), &generator)
  }

  static func read(_ bytes: [UInt8]) {
    expectingErrors {
      let file = try GGUFFile(surveying: ArrayStorage(bytes), name: "x.gguf")
      for problem in file.problems { precondition(!problem.description.isEmpty) }
      _ = ModelInspection(file)
      guard file.problems.isEmpty else { return }
      for tensor in file.tensors.prefix(8) {
        precondition(tensor.offset >= 0 && tensor.offset + tensor.byteCount <= bytes.count)
        expectingErrors {
          let matrix = try file.weightMatrix(tensor.name)
          if matrix.rows > 0 { _ = matrix.dequantizedRows(0..<1) }
        }
      }
      expectingErrors { _ = try Tokenizer(of: file).encode("It rains.\n") }
    }
  }

  private static func changed(_ file: GGUFWriter, _ generator: inout SeededGenerator) -> [UInt8] {
    var keys = file.keys
    var tensors = file.tensors
    for _ in 0...generator.index(below: 4) {
      switch generator.index(below: 8) {
      case 0 where !keys.isEmpty: keys.remove(at: generator.index(below: keys.count))
      case 1 where !keys.isEmpty: keys.append(generator.element(of: keys))
      case 2, 3:
        keys.append((generator.element(of: names), value(&generator, depth: 0)))
      case 4 where !keys.isEmpty:
        keys[generator.index(below: keys.count)].value = value(&generator, depth: 0)
      case 5 where !tensors.isEmpty:
        let place = generator.index(below: tensors.count)
        tensors[place].dimensions = (0..<generator.index(below: 6)).map { _ in generator.number() }
      case 6 where !tensors.isEmpty:
        tensors[generator.index(below: tensors.count)].type = UInt32(generator.index(below: 45))
      default:
        tensors.append(
          .init(
            name: generator.element(of: tensorNames), dimensions: [32, generator.index(below: 4)],
            type: UInt32(generator.index(below: 32)),
            bytes: Array(repeating: 0x3C, count: generator.index(below: 300))))
      }
    }
    var written = GGUFWriter(version: UInt32(generator.chance(1, in: 8) ? 2 : 3))
    for (name, value) in keys {
      // The writer pads to this as it says; a file that means it would be as large.
      if name == "general.alignment", let alignment = value.integer, alignment > 4096 { continue }
      written.add(name, value)
    }
    for tensor in tensors { written.add(tensor) }
    return written.encoded()
  }

  private static func value(_ generator: inout SeededGenerator, depth: Int) -> GGUFValue {
    switch generator.index(below: 10) {
    case 0: .uint32(UInt32(truncatingIfNeeded: generator.number()))
    case 1: .uint64(UInt64(truncatingIfNeeded: generator.number()))
    case 2: .int32(Int32(truncatingIfNeeded: generator.number()))
    case 3: .int64(Int64(generator.number()))
    case 4: .float32(generator.element(of: [0, -1, .nan, .infinity, 1e-45, 1e38, 10_000]))
    case 5: .float64(generator.element(of: [0, -1, .nan, .infinity, 5e-324, 1e308]))
    case 6: .bool(generator.chance(1, in: 2))
    case 7: .string(generator.text())
    case 8: .string(generator.element(of: values))
    default: .array(array(&generator, depth: depth))
    }
  }

  private static func array(_ generator: inout SeededGenerator, depth: Int) -> GGUFArray {
    let count = generator.index(below: 6)
    return switch generator.index(below: 6) {
    case 0: .uint32((0..<count).map { _ in UInt32(truncatingIfNeeded: generator.number()) })
    case 1: .int64((0..<count).map { _ in Int64(generator.number()) })
    case 2: .float32((0..<count).map { _ in Float(generator.number()) })
    case 3: .bool((0..<count).map { _ in generator.chance(1, in: 2) })
    case 4 where depth < 6:
      .array((0..<count / 2).map { _ in array(&generator, depth: depth + 1) })
    default: .string((0..<count).map { _ in generator.text() })
    }
  }

  private static let settings = [
    "block_count", "context_length", "embedding_length", "feed_forward_length",
    "attention.head_count", "attention.head_count_kv", "attention.key_length",
    "attention.value_length", "attention.sliding_window", "attention.sliding_window_pattern",
    "attention.layer_norm_rms_epsilon", "rope.freq_base", "rope.dimension_count", "vocab_size",
    "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
    "expert_count", "attn_logit_softcapping",
  ]
  private static let architectures = ["llama", "qwen2", "qwen3", "gemma3", "mistral", "phi3"]
  private static let values =
    architectures + ["gpt2", "llama", "bert", "smollm", "qwen2", "llama-bpe", "yarn", "linear"]
  private static let names =
    [
      "general.architecture", "general.alignment", "general.name", "split.count", "split.no",
      "split.tensors.count", "tokenizer.ggml.model", "tokenizer.ggml.pre", "tokenizer.ggml.tokens",
      "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.scores",
      "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
      "tokenizer.ggml.unknown_token_id", "tokenizer.ggml.add_bos_token",
      "tokenizer.ggml.add_space_prefix", "tokenizer.chat_template",
    ] + architectures.flatMap { architecture in settings.map { "\(architecture).\($0)" } }
  private static let tensorNames = [
    "token_embd.weight", "output_norm.weight", "output.weight", "rope_freqs.weight",
    "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_norm.weight", "blk.0.ffn_up.weight",
    "blk.4294967296.attn_q.weight", "blk.-1.attn_q.weight",
  ]
}
