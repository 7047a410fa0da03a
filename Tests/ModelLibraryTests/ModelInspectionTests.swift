import GGUF
import Kernels
import LabTestSupport
import Records
import Tensors
import Testing

@testable import ModelLibrary
@testable import Transformer

@Suite("Model inspection")
struct ModelInspectionTests {
  /// The tiny model's file with keys set (nil removes one) and tensors changed, cut to `length`.
  private func file(
    _ changes: [String: GGUFValue?] = [:], length: Int? = nil,
    tensors change: (inout [GGUFWriter.Tensor]) -> Void = { _ in }
  ) throws -> GGUFFile {
    let sound = TinyModel().writer()
    var writer = GGUFWriter()
    for (name, value) in sound.keys where changes[name] == nil { writer.add(name, value) }
    for case (let name, let value?) in changes { writer.add(name, value) }
    var tensors = sound.tensors
    change(&tensors)
    for tensor in tensors { writer.add(tensor) }
    let bytes = writer.encoded()
    return try GGUFFile(
      surveying: ArrayStorage(Array(bytes.prefix(length ?? bytes.count))), name: "x.gguf")
  }

  /// The same under another name of the architecture.
  private func foreign(_ changes: [String: GGUFValue?] = [:]) throws -> GGUFFile {
    var renamed: [String: GGUFValue?] = ["general.architecture": .string("strange")]
    for (name, value) in TinyModel().writer().keys where name.hasPrefix("llama.") {
      renamed[name] = .some(nil)
      renamed["strange." + name.dropFirst(6)] = value
    }
    return try file(renamed.merging(changes) { $1 })
  }

  @Test("A model that can be run shows its sizes, layers, tokenizer, template and cache")
  func sound() throws {
    let inspection = ModelInspection(try file())
    #expect(inspection.unsupported.isEmpty, "\(inspection.unsupported)")
    #expect(inspection.architecture == "llama" && inspection.neededBytes == nil)
    let geometry = try #require(inspection.geometry)
    #expect((geometry.contextLength, geometry.hiddenSize) == (4_096, 64))
    #expect((geometry.feedForwardSize, geometry.vocabularySize) == (96, 320))
    #expect((geometry.layers, geometry.globalLayers) == (2, 2))
    #expect(
      geometry.layerKinds == [
        .init(
          layers: 2, queryHeads: 4, kvHeads: 2, headDimension: 16, window: nil, rotaryBase: 10_000,
          rotaryScaling: nil, scale: 0.25)
      ])
    #expect(
      inspection.tokenizer
        == TokenizerFacts(
          model: "gpt2", pre: "smollm", tokens: 320, bos: .init(id: 1, text: "<|im_start|>"),
          eos: .init(id: 2, text: "<|im_end|>"), addsBOS: false))
    #expect(inspection.chatTemplate == "chatml")
    // Keys and values of 2 layers, 2 KV heads, 16 dimensions.
    #expect(
      inspection.kvCache
        == [8_192, 32_768].map { tokens in
          KVCacheSize(
            tokens: tokens, float32Bytes: 2 * 2 * 2 * 16 * tokens * 4,
            float16Bytes: 2 * 2 * 2 * 16 * tokens * 2)
        })
  }

  @Test("The histogram counts tensors, weights and bytes of each type, those not read included")
  func quantization() throws {
    let inspection = ModelInspection(
      try file { tensors in
        tensors.append(
          .init(
            name: "x", dimensions: [256, 2], type: 22, bytes: [UInt8](repeating: 0, count: 164))
        )
      })
    let tensors = try TinyModel().file().tensors
    let counted = Dictionary(grouping: tensors, by: \.type.name).map { name, tensors in
      QuantizationCount(
        type: name, tensors: tensors.count,
        weights: tensors.reduce(0) { $0 + $1.dimensions.reduce(1, *) },
        bytes: tensors.reduce(0) { $0 + $1.byteCount }, isSupported: true)
    }
    let foreign = QuantizationCount(
      type: "iq2_s", tensors: 1, weights: 512, bytes: 164, isSupported: false)
    #expect(Set(inspection.quantization) == Set(counted + [foreign]))
    let bytes = inspection.quantization.map(\.bytes)
    #expect(bytes == bytes.sorted(by: >) && bytes.reduce(0, +) < inspection.bytes)
    #expect(inspection.unsupported.first?.contains("has the type \"22\" (iq2_s)") == true)
  }

  @Test("Everything that loading would refuse has a sentence, not only the first")
  func allProblems() throws {
    let inspection = ModelInspection(
      try file([
        "llama.logit_scale": .float32(2), "llama.expert_count": .uint32(8),
        "tokenizer.ggml.pre": .string("strange"),
      ]) { tensors in
        tensors.removeAll { ["blk.0.attn_q.weight", "output_norm.weight"].contains($0.name) }
        tensors.append(.init(name: "blk.0.x", dimensions: [1], type: 0, bytes: [0, 0, 0, 0]))
        let norm = tensors.firstIndex { $0.name == "blk.1.ffn_norm.weight" } ?? 0
        tensors[norm].dimensions = [32, 2]
      })
    // Without the first query matrix no head dimension is believed.
    #expect(
      inspection.unsupported.contains(
        "x.gguf: tensor \"blk.0.attn_q.weight\" is missing; the file is incomplete or its layer count is wrong"
      ))
    #expect(inspection.unsupported.last?.hasPrefix("x.gguf: the pre-tokenizer \"strange\"") == true)

    let other = ModelInspection(
      try file([
        "llama.logit_scale": .float32(2), "llama.expert_count": .uint32(8),
      ]) { tensors in
        tensors.removeAll { ["blk.1.attn_q.weight", "output_norm.weight"].contains($0.name) }
        tensors.append(.init(name: "blk.0.x", dimensions: [1], type: 0, bytes: [0, 0, 0, 0]))
        let norm = tensors.firstIndex { $0.name == "blk.1.ffn_norm.weight" } ?? 0
        tensors[norm].dimensions = [32, 2]
      })
    let subjects = [
      "\"llama.expert_count\" is \"8\"", "\"llama.logit_scale\"",
      "\"blk.1.attn_q.weight\" is missing", "\"blk.1.ffn_norm.weight\" has shape \"32 x 2\"",
      "\"output_norm.weight\" is missing", "\"blk.0.x\" is no part",
    ]
    for subject in subjects {
      #expect(other.unsupported.count { $0.contains(subject) } == 1, "\(subject)")
    }
    #expect(other.unsupported.count == subjects.count, "\(other.unsupported)")
    #expect(other.unsupported.allSatisfy { $0.hasPrefix("x.gguf: ") })
    #expect(other.geometry?.layers == 2 && other.kvCache.count == 2)
  }

  @Test("A vocabulary larger than the embedding is a problem, named with both numbers")
  func largeVocabulary() throws {
    let inspection = ModelInspection(
      try file([
        "tokenizer.ggml.tokens": .array(.string(TinyVocabulary.tokens + ["<extra>"])),
        "tokenizer.ggml.token_type": .array(.int32(TinyVocabulary.tokenTypes + [3])),
      ]))
    #expect(
      inspection.unsupported == [
        "x.gguf: metadata \"tokenizer.ggml.tokens\" is \"321 tokens\"; allowed is at most the 320 rows of token_embd.weight, one for each token; convert the model anew"
      ])
    #expect(inspection.tokenizer?.tokens == 321 && inspection.geometry?.vocabularySize == 320)
  }

  @Test("An unknown architecture shows what the usual keys state")
  func foreignArchitecture() throws {
    let inspection = ModelInspection(
      try foreign([
        "strange.rope.scaling.type": .string("linear"),
        "strange.rope.scaling.factor": .float32(8), "tokenizer.chat_template": .string("{{ x }}"),
      ]))
    #expect(inspection.architecture == "strange" && inspection.chatTemplate == "unknown")
    #expect(
      inspection.unsupported.count == 1
        && inspection.unsupported[0].contains("the architecture is \"strange\"; supported is"))
    let geometry = try #require(inspection.geometry)
    #expect((geometry.contextLength, geometry.vocabularySize) == (4_096, 320))
    #expect(
      geometry.layerKinds == [
        .init(
          layers: 2, queryHeads: 4, kvHeads: 2, headDimension: 16, window: nil, rotaryBase: 10_000,
          rotaryScaling: "linear, factor 8", scale: nil)
      ])
    #expect(inspection.kvCache == ModelInspection(try file()).kvCache)

    // Which layers have the window is not stated: no memory is claimed.
    let windows = ModelInspection(try foreign(["strange.attention.sliding_window": .uint32(512)]))
    #expect(windows.geometry?.layerKinds.first?.window == 512 && windows.kvCache.isEmpty)
    #expect(windows.geometry != nil && windows.geometry?.globalLayers == nil)
    // Sizes that are missing or absurd.
    for (key, value) in [
      ("block_count", nil), ("attention.head_count", .uint32(0)),
      ("block_count", .uint64(.max)), ("attention.head_count", .string("4")),
    ] as [(String, GGUFValue?)] {
      let inspection = ModelInspection(try foreign(["strange.\(key)": value]))
      #expect(inspection.geometry == nil && inspection.kvCache.isEmpty, "\(key)")
    }
    // Sizes whose product is beyond counting.
    let large = GGUFValue.uint32(1 << 24)
    let absurd = ModelInspection(
      try foreign([
        "strange.block_count": large, "strange.attention.head_count_kv": large,
        "strange.attention.key_length": large,
      ]))
    #expect(absurd.geometry?.layers == 1 << 24 && absurd.kvCache.isEmpty)
  }

  @Test("A file cut off says so, with the size that it should have, and shows the rest")
  func cut() throws {
    let whole = try file()
    let size = whole.storage.bytes.byteCount
    let firstByte = whole.tensors[0].offset
    for length in [firstByte + 1, size / 2, size - 64] {
      let inspection = ModelInspection(try file(length: length))
      #expect(inspection.bytes == length)
      let needed = try #require(inspection.neededBytes)
      #expect(length < needed && needed <= size)
      #expect(
        inspection.unsupported.count == 1
          && inspection.unsupported[0].contains("the file is cut off or damaged"),
        "\(inspection.unsupported)")
      #expect(inspection.geometry == ModelInspection(whole).geometry)
      #expect(inspection.quantization == ModelInspection(whole).quantization)
      #expect(inspection.tokenizer?.tokens == 320)
    }
    // Inside the metadata.
    let start = ModelInspection(try file(length: 600))
    #expect(start.architecture == "llama" && start.quantization.isEmpty)
    #expect(start.unsupported.contains { $0.hasPrefix("x.gguf: metadata key ") })
  }

  @Test("Cut or damaged anywhere, a file is inspected without a crash", arguments: 0..<4)
  func damage(seed: Int) throws {
    let bytes = TinyModel().writer().encoded()
    var generator = SeededGenerator(seed: seed, purpose: "inspection")
    for _ in 0..<60 {
      var damaged = bytes
      for _ in 0..<3 {
        // The header, mostly.
        let place = generator.index(below: 9_000)
        damaged[place] = UInt8(truncatingIfNeeded: generator.next())
      }
      if generator.index(below: 2) == 0 {
        damaged.removeLast(generator.index(below: damaged.count - 8))
      }
      guard let file = try? GGUFFile(surveying: ArrayStorage(damaged), name: "x.gguf") else {
        continue
      }
      _ = ModelInspection(file)
    }
  }

  @Test("A part of a split model is named as one")
  func split() throws {
    let inspection = ModelInspection(
      try file(["split.count": .uint16(3), "split.no": .uint16(0)]))
    #expect(inspection.part == .init(number: 1, count: 3))
    #expect(
      inspection.unsupported.count == 1
        && inspection.unsupported[0].hasPrefix("x.gguf: is part 1 of 3 of a split model"))
    #expect(inspection.geometry?.layers == 2)
  }

  // MARK: Layers of several kinds

  @Test("Layers of a kind stand together, and windows bound their memory")
  func windows() throws {
    let rotary = RotaryEmbedding(base: 10_000, dimensions: 8, layout: .halfSplit)
    var scaled = RotaryEmbedding(base: 1_000_000, dimensions: 8, layout: .halfSplit)
    scaled.frequencies = scaled.frequencies.map { $0 / 8 }
    let window = LayerGeometry(headDimension: 8, rotary: rotary, scale: 0.5, window: 512)
    let global = LayerGeometry(headDimension: 8, rotary: scaled, scale: 0.5)
    let blueprint = DecoderBlueprint(
      architecture: "llama",
      shape: AttentionShape(
        queryHeads: 4, kvHeads: 1, headDimension: 8,
        geometry: [window, window, global, window, window, global]),
      hiddenSize: 32, feedForwardSize: 64, contextLength: 32_768, vocabularySize: 320,
      rmsEpsilon: 1e-6)
    let geometry = ModelGeometry(
      blueprint,
      try file([
        "llama.rope.scaling.type": .string("linear"), "llama.rope.scaling.factor": .float32(8),
      ]))
    #expect((geometry.layers, geometry.globalLayers) == (6, 2))
    #expect(
      geometry.layerKinds == [
        .init(
          layers: 4, queryHeads: 4, kvHeads: 1, headDimension: 8, window: 512, rotaryBase: 10_000,
          rotaryScaling: nil, scale: 0.5),
        .init(
          layers: 2, queryHeads: 4, kvHeads: 1, headDimension: 8, window: nil,
          rotaryBase: 1_000_000, rotaryScaling: "linear, factor 8", scale: 0.5),
      ])
    for (tokens, windowed) in [(8_192, 512), (512, 512), (511, 511), (1, 1)] {
      #expect(
        geometry.cacheSize(tokens: tokens)?.float16Bytes == 2 * 8 * 2 * (4 * windowed + 2 * tokens))
    }
  }
}
