import Attention
import GGUF
import Kernels
import LabTestSupport
import Tensors
import Testing
import Transformer

@Suite("Models that cannot be run")
struct DamagedFileTests {
  typealias Problem = ModelError.Problem

  /// A change to a sound file and what is said about it.
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var file: @Sendable () throws -> GGUFFile
    var problem: Problem

    init(
      _ name: String, _ problem: Problem, file: @escaping @Sendable () throws -> GGUFFile
    ) {
      testDescription = name
      self.problem = problem
      self.file = file
    }

    init(_ name: String, set changes: [String: GGUFValue?], _ problem: Problem) {
      self.init(name, problem) { try TinyModel().damaged(metadata: changes) }
    }

    /// A change to a golden model.
    init(
      _ golden: String, _ name: String, set changes: [String: GGUFValue?] = [:],
      _ problem: Problem,
      tensors change: @escaping @Sendable (inout [GGUFWriter.Tensor]) -> Void = {
        _ in
      }
    ) {
      self.init("\(golden): \(name)", problem) {
        var writer = GGUFWriter(copying: try GoldenModels.file(golden), setting: changes)
        writer.change(change)
        return try writer.file()
      }
    }

    init(setting key: String, to value: GGUFValue, shown: String, allowed: String) {
      self.init(
        "\(key) \(shown)", set: ["llama." + key: value],
        .setting(key: "llama." + key, value: shown, allowed: allowed))
    }
  }

  static let damagedSettings: [Case] = [
    Case(
      "another architecture", set: ["general.architecture": .string("gemma2")],
      .unsupportedArchitecture("gemma2")),
    Case(setting: "block_count", to: .uint32(0), shown: "0", allowed: "1 to 16777216"),
    Case(
      setting: "block_count", to: .uint32(4_000_000_000), shown: "4000000000",
      allowed: "1 to 16777216"),
    Case(
      setting: "block_count", to: .uint32(21), shown: "21",
      allowed: "at most the file's 20 tensors"),
    Case(
      setting: "context_length", to: .uint64(1 << 62), shown: "\(1 << 62)",
      allowed: "1 to 16777216"),
    Case(setting: "embedding_length", to: .int32(-64), shown: "-64", allowed: "1 to 16777216"),
    Case(
      "attention.head_count 5",
      set: [
        "llama.attention.head_count": .uint32(5), "llama.attention.head_count_kv": .uint32(5),
      ],
      .setting(
        key: "llama.attention.head_count", value: "5",
        allowed: "a divisor of embedding_length (64)")),
    Case(
      setting: "attention.head_count_kv", to: .uint32(3), shown: "3",
      allowed: "a divisor of the 4 query heads"),
    Case(
      "attention.key_length 16000000",
      set: [
        "llama.attention.key_length": .uint32(16_000_000), "llama.rope.dimension_count": nil,
      ],
      .setting(
        key: "llama.attention.key_length", value: "16000000",
        allowed: "at most the 64 rows of blk.0.attn_q.weight")),
    Case(
      setting: "attention.value_length", to: .uint32(8), shown: "8",
      allowed: "the head dimension, 16"),
    Case(
      setting: "rope.dimension_count", to: .uint32(8), shown: "8",
      allowed: "the head dimension, 16"),
    Case(
      setting: "rope.freq_base", to: .float32(.nan), shown: "nan",
      allowed: "a number above 1"),
    Case(setting: "rope.freq_base", to: .float32(-1), shown: "-1.0", allowed: "a number above 1"),
    Case(setting: "rope.freq_base", to: .float32(1), shown: "1.0", allowed: "a number above 1"),
    Case(
      setting: "attention.layer_norm_rms_epsilon", to: .float32(-1), shown: "-1.0",
      allowed: "0 up to 1"),
    Case(
      setting: "vocab_size", to: .uint32(319), shown: "319",
      allowed: "the 320 rows of token_embd.weight"),
    Case(
      "a vocabulary larger than the embedding",
      set: ["tokenizer.ggml.tokens": .array(.string(TinyVocabulary.tokens + ["<extra>"]))],
      .setting(
        key: "tokenizer.ggml.tokens", value: "321 tokens",
        allowed:
          "at most the 320 rows of token_embd.weight, one for each token; convert the model anew")),
    Case(
      setting: "expert_count", to: .uint32(8), shown: "8",
      allowed: "\"0\" (nothing else is implemented)"),
    Case(
      setting: "rope.scaling.type", to: .string("longrope"), shown: "longrope",
      allowed:
        "\"none\", \"linear\", \"ntk\", \"dynamic-ntk\", \"yarn\", \"llama3\""),
    Case(
      setting: "rope.scaling.factor", to: .float32(0.5), shown: "0.5",
      allowed: "0 (none) or 1 to 1024"),
    Case(
      setting: "rope.scale_linear", to: .float32(.nan), shown: "nan",
      allowed: "0 (none) or 1 to 1024"),
    Case(
      setting: "rope.scaling.attn_factor", to: .float32(2), shown: "2.0",
      allowed: "\"1\", \"1.0\" (nothing else is implemented)"),
    Case(
      "YaRN without a difference",
      set: [
        "llama.rope.scaling.type": .string("yarn"),
        "llama.rope.scaling.yarn_beta_slow": .float32(40),
      ],
      .setting(
        key: "llama.rope.scaling.type", value: "yarn", allowed: "betaFast more than betaSlow")),
    Case(
      "YaRN with a logarithm of the wrong sign",
      set: [
        "llama.rope.scaling.type": .string("yarn"),
        "llama.rope.scaling.yarn_log_multiplier": .float32(-1),
      ],
      .setting(
        key: "llama.rope.scaling.yarn_log_multiplier", value: "-1.0", allowed: "0 (none) or more")),
    Case(
      "YaRN's settings without YaRN", set: ["llama.rope.scaling.yarn_beta_fast": .float32(32)],
      .unknownSetting(key: "llama.rope.scaling.yarn_beta_fast", value: "32.0")),
    Case(
      setting: "attention.sliding_window", to: .uint32(0), shown: "0", allowed: "1 to 16777216"),
    Case(
      "a setting that is unknown here", set: ["llama.logit_scale": .float32(2)],
      .unknownSetting(key: "llama.logit_scale", value: "2.0")),
  ]

  static let damagedTensors: [Case] = [
    Case("no embedding", .missingTensor("token_embd.weight")) {
      try TinyModel().damaged { $0.removeAll { $0.name == "token_embd.weight" } }
    },
    Case("no query matrix", .missingTensor("blk.0.attn_q.weight")) {
      try TinyModel().damaged { $0.removeAll { $0.name == "blk.0.attn_q.weight" } }
    },
    Case("a tensor of a layer missing", .missingTensor("blk.1.ffn_up.weight")) {
      try TinyModel().damaged { $0.removeAll { $0.name == "blk.1.ffn_up.weight" } }
    },
    Case("fewer layers than the metadata says", .missingTensor("blk.2.attn_norm.weight")) {
      try TinyModel().damaged(metadata: ["llama.block_count": .uint32(3)])
    },
    Case(
      "more layers than the metadata says",
      .unknownTensor("blk.1.attn_norm.weight", architecture: "llama")
    ) {
      try TinyModel().damaged(metadata: ["llama.block_count": .uint32(1)])
    },
    Case(
      "another feed-forward size",
      .tensorShape(name: "blk.0.ffn_gate.weight", found: [64, 96], expected: [64, 128])
    ) {
      try TinyModel().damaged(metadata: ["llama.feed_forward_length": .uint32(128)])
    },
    Case(
      "another hidden size",
      .tensorShape(name: "token_embd.weight", found: [64, 320], expected: [128, 320])
    ) {
      try TinyModel().damaged(metadata: [
        "llama.embedding_length": .uint32(128), "llama.rope.dimension_count": nil,
      ])
    },
    Case(
      "a matrix lying on its side",
      .tensorShape(name: "blk.0.ffn_down.weight", found: [64, 96], expected: [96, 64])
    ) {
      try TinyModel().damaged { tensors in
        for index in tensors.indices where tensors[index].name == "blk.0.ffn_down.weight" {
          tensors[index].dimensions.reverse()
        }
      }
    },
    Case(
      "a norm of the wrong length",
      .tensorShape(name: "output_norm.weight", found: [32], expected: [64])
    ) {
      try TinyModel().damaged { tensors in
        for index in tensors.indices where tensors[index].name == "output_norm.weight" {
          tensors[index].dimensions = [32]
          tensors[index].bytes.removeLast(32 * 4)
        }
      }
    },
    Case("a bias of queries alone", .missingTensor("blk.0.attn_k.bias")) {
      try TinyModel().damaged { tensors in
        tensors.append(floats("blk.0.attn_q.bias", [Float](repeating: 0, count: 64)))
      }
    },
    Case(
      "a bias that is not implemented",
      .unknownTensor("blk.0.attn_output.bias", architecture: "llama")
    ) {
      try TinyModel().damaged { tensors in
        tensors.append(floats("blk.0.attn_output.bias", [Float](repeating: 0, count: 64)))
      }
    },
    Case(
      "too few frequency factors",
      .tensorShape(name: "rope_freqs.weight", found: [7], expected: [8])
    ) {
      try TinyModel().damaged { $0.append(floats("rope_freqs.weight", [1, 1, 1, 1, 1, 1, 1])) }
    },
    Case("a frequency factor of 0", factor(0, shown: "0.0")) {
      try TinyModel().damaged { $0.append(floats("rope_freqs.weight", [1, 1, 0, 1, 1, 1, 1, 1])) }
    },
    Case("a frequency factor that is no number", factor(.nan, shown: "nan")) {
      try TinyModel().damaged { tensors in
        tensors.append(floats("rope_freqs.weight", [1, 1, .nan, 1, 1, 1, 1, 1]))
      }
    },
    Case(
      "a norm with an infinity",
      .weight(
        tensor: "output_norm.weight", index: 3, value: "inf", allowed: "finite numbers")
    ) {
      try TinyModel().damaged { tensors in
        tensors.removeAll { $0.name == "output_norm.weight" }
        var weights = [Float](repeating: 1, count: 64)
        weights[3] = .infinity
        tensors.append(floats("output_norm.weight", weights))
      }
    },
  ]

  static func factor(_ value: Float, shown: String) -> Problem {
    .weight(
      tensor: "rope_freqs.weight", index: 2, value: shown, allowed: "finite numbers above 0")
  }

  static let damagedModels: [Case] = [
    Case("gemma3", "a head norm missing", .missingTensor("blk.3.attn_k_norm.weight")) { tensors in
      tensors.removeAll { $0.name == "blk.3.attn_k_norm.weight" }
    },
    Case("gemma3", "a norm of outputs missing", .missingTensor("blk.0.post_ffw_norm.weight")) {
      tensors in tensors.removeAll { $0.name == "blk.0.post_ffw_norm.weight" }
    },
    Case(
      "gemma3", "no global layer", set: ["gemma3.block_count": .uint32(5)],
      .setting(
        key: "gemma3.block_count", value: "5",
        allowed: "at least 6: every 6th layer of gemma3 attends globally, and there is none")),
    Case(
      "gemma3", "a window of 0", set: ["gemma3.attention.sliding_window": .uint32(0)],
      .setting(key: "gemma3.attention.sliding_window", value: "0", allowed: "1 to 16777216")),
    Case(
      "gemma3", "another pattern", set: ["gemma3.attention.sliding_window_pattern": .uint32(2)],
      .setting(
        key: "gemma3.attention.sliding_window_pattern", value: "2",
        allowed: "6 (nothing else is implemented)")),
    Case(
      "gemma3", "heads that don't divide", set: ["gemma3.attention.head_count_kv": .uint32(4)],
      .setting(
        key: "gemma3.attention.head_count_kv", value: "4",
        allowed: "a divisor of the 2 query heads")),
    Case(
      "gemma3", "a part of each head rotated", set: ["gemma3.rope.dimension_count": .uint32(16)],
      .setting(
        key: "gemma3.rope.dimension_count", value: "16", allowed: "the head dimension, 32")),
    Case(
      "gemma3", "logits that are capped", set: ["gemma3.final_logit_softcapping": .float32(30)],
      .setting(
        key: "gemma3.final_logit_softcapping", value: "30.0",
        allowed: "\"0\", \"0.0\" (nothing else is implemented)")),
    Case("qwen2", "no bias", .missingTensor("blk.1.attn_v.bias")) { tensors in
      tensors.removeAll { $0.name == "blk.1.attn_v.bias" }
    },
    Case("qwen3", "no head norm", .missingTensor("blk.0.attn_q_norm.weight")) { tensors in
      tensors.removeAll { $0.name == "blk.0.attn_q_norm.weight" }
    },
    Case(
      "qwen3", "frequency factors",
      .unknownTensor("rope_freqs.weight", architecture: "qwen3")
    ) { $0.append(floats("rope_freqs.weight", [Float](repeating: 1, count: 64))) },
  ]

  @Test("What a model of another architecture lacks or adds is named", arguments: damagedModels)
  func models(_ test: Case) { expect(test) }

  @Test("A setting that is absurd or not implemented is named", arguments: damagedSettings)
  func settings(_ test: Case) { expect(test) }

  @Test("A tensor that is missing, misshapen or unknown is named", arguments: damagedTensors)
  func tensors(_ test: Case) { expect(test) }

  @Test(
    "A key that must be there, or is of the wrong type, is named with the file",
    arguments: [
      "general.architecture", "llama.block_count", "llama.embedding_length",
      "llama.context_length", "llama.feed_forward_length", "llama.attention.head_count",
      "llama.attention.layer_norm_rms_epsilon",
    ])
  func keys(key: String) throws {
    for value in [nil, GGUFValue.array(.bool([true]))] {
      let error = #expect(throws: ModelError.self) {
        try TinyModel.load(try TinyModel().damaged(metadata: [key: value]))
      }
      let text = error?.description ?? ""
      #expect(text.contains("\"\(key)\"") && text.contains("tiny.gguf"), "\(text)")
    }
  }

  @Test("Keys that may be missing have their documented defaults")
  func defaults() throws {
    let tiny = TinyModel.with { $0.kvHeads = 4 }
    let model = try TinyModel.load(
      try tiny.damaged(metadata: [
        "llama.attention.head_count_kv": nil, "llama.rope.freq_base": nil,
        "llama.vocab_size": nil, "llama.rope.dimension_count": nil,
        "llama.rope.scaling.type": .string("none"), "llama.expert_count": .uint32(0),
      ]))
    #expect(model.shape.kvHeads == 4)
    #expect(
      model.shape.geometry[0].rotary
        == RotaryEmbedding(base: 10_000, dimensions: 16, layout: .interleaved))
    #expect(model.blueprint.vocabularySize == 320)
    #expect(model.shape.headDimension == 16)
  }

  @Test("An embedding may have rows that no token is for")
  func paddedEmbedding() throws {
    let tokens = Array(TinyVocabulary.tokens.dropLast(3))
    let model = try TinyModel.load(
      try TinyModel().damaged(metadata: ["tokenizer.ggml.tokens": .array(.string(tokens))]))
    #expect(model.blueprint.vocabularySize == 320)
  }

  @Test("Messages say what is wrong, where, which value, and what is allowed")
  func messages() throws {
    let error = ModelError(
      file: "a.gguf", .tensorShape(name: "output.weight", found: [64, 5], expected: [64, 320]))
    #expect(
      error.description
        == "a.gguf: tensor \"output.weight\" has shape \"64 x 5\"; the metadata asks for 64 x 320 "
        + "(GGUF's order, columns first)")
    #expect(
      ModelError(file: "b.gguf", .unsupportedArchitecture("gemma\u{1b}[31m")).description
        == "b.gguf: the architecture is \"gemma\\u{1B}[31m\"; supported is \"llama\", "
        + "\"qwen2\", \"qwen3\", \"gemma3\"")
    #expect(
      ModelError(
        file: "c.gguf",
        .contextExceeded(firstPosition: 8_000, tokenCount: 200, contextLength: 8_192)
      ).description
        == "c.gguf: 200 tokens from position 8000 end at \"8200\"; the model's context is 8192 "
        + "tokens: use a shorter text or a model with a longer context")
  }

  private func expect(_ test: Case) {
    let error = #expect(throws: ModelError.self) { try TinyModel.load(try test.file()) }
    #expect(error?.problem == test.problem)
    #expect(error?.file == "tiny.gguf")
  }
}

@Suite("Tokens that cannot be run")
struct BadTokenTests {
  @Test(
    "A token id outside the vocabulary is named with its place", arguments: [-1, 320, Int32.max])
  func ids(token: Int32) throws {
    let model = try TinyModel().load()
    let session = model.denseSession()
    let error = #expect(throws: ModelError.self) {
      try model.forward(
        [5, 6, token], firstPosition: 0, phase: .prefill, attention: session, keeping: 2..<3)
    }
    #expect(
      error?.problem == .tokenOutOfRange(token: Int(token), index: 2, vocabularySize: 320))
    #expect(session.tokensHeld == 0)
  }

  @Test("No tokens are an error")
  func none() throws {
    let model = try TinyModel().load()
    let error = #expect(throws: ModelError.self) {
      try model.score([], attention: model.denseSession())
    }
    #expect(error?.problem == .noTokens)
  }

  @Test("The context may be filled to its last token and not beyond")
  func context() throws {
    let model = try TinyModel.with { $0.contextLength = 20 }.load()
    let session = model.denseSession()
    _ = try model.forward(
      randomTokens(20), firstPosition: 0, phase: .prefill, attention: session, keeping: 19..<20)
    var error = #expect(throws: ModelError.self) {
      try model.forward(
        [1], firstPosition: 20, phase: .decode, attention: session, keeping: 0..<1)
    }
    #expect(
      error?.problem
        == .contextExceeded(firstPosition: 20, tokenCount: 1, contextLength: 20))
    error = #expect(throws: ModelError.self) { try model.prefill(randomTokens(21)) }
    #expect(
      error?.problem
        == .contextExceeded(firstPosition: 0, tokenCount: 21, contextLength: 20))
  }

  @Test("Weights that lead to infinities are an error, not a result")
  func infinities() throws {
    let file = try TinyModel.with { $0.format = .f32 }.damaged { tensors in
      for index in tensors.indices where tensors[index].name == "blk.1.ffn_down.weight" {
        tensors[index].bytes.replaceSubrange(0..<4, with: [0, 0, 0x80, 0x7f])
      }
    }
    let model = try TinyModel.load(file)
    let error = #expect(throws: ModelError.self) { try model.prefill([5]) }
    #expect(error?.problem == .outputNotFinite(position: 0))
  }
}

/// A vector of floats as a tensor.
private func floats(_ name: String, _ values: [Float]) -> GGUFWriter.Tensor {
  var writer = GGUFWriter()
  writer.add(
    tensor: name, dimensions: [values.count], format: .f32,
    bytes: values.withUnsafeBytes { Array($0) })
  return writer.tensors[0]
}
