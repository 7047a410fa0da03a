import Attention
import Foundation
import GGUF
import Kernels
import LabTestSupport
import Tensors
import Testing
import Threads
import Transformer

@Suite("Rotary scaling")
struct RotaryScalingTests {
  @Test(
    "Frequencies and attention factors are those of transformers",
    arguments: GoldenModels.all.rotary)
  func frequencies(_ golden: GoldenModels.Rotary) {
    let embedding = golden.embedding(.halfSplit)
    #expect(embedding.frequencies.count == golden.frequencies.count)
    for (pair, expected) in golden.frequencies.enumerated() {
      // Of transformers in Float, a power and two products.
      #expect(abs(embedding.frequencies[pair] - expected) <= 2e-6 * expected, "pair \(pair)")
    }
    #expect(abs(embedding.magnitude - golden.attentionFactor) < 1e-12)
  }

  @Test(
    "Rotated rows have the cosines and sines of transformers, past the original length too",
    arguments: GoldenModels.all.rotary)
  func rotation(_ golden: GoldenModels.Rotary) throws {
    let d = golden.dimension
    let table = RotaryTable(golden.embedding(.halfSplit), headDimension: d)
    // (1, 0) in each pair becomes its cosine and sine.
    let ones = [Float](repeating: 1, count: d / 2) + [Float](repeating: 0, count: d / 2)
    for (index, position) in golden.positions.enumerated() {
      var row = Matrix(rows: 1, columns: d, elements: ones)
      table.rotate(&row, firstPosition: position, workers: WorkerPool())
      // Of transformers in Float: an angle of size p is off by up to some p · 2^−24.
      let tolerance = 2e-6 + Float(position) * 0x1p-22
      #expect(largestDifference(row.elements[..<(d / 2)], golden.cosines[index]) <= tolerance)
      #expect(largestDifference(row.elements[(d / 2)...], golden.sines[index]) <= tolerance)
    }
  }

  @Test("What is rotated turns further without another magnitude")
  func turning() throws {
    let frequencies = RotaryEmbedding(base: 100, dimensions: 8, layout: .interleaved).frequencies
    let table = RotaryTable(
      RotaryEmbedding(frequencies: frequencies, layout: .interleaved, magnitude: 1.5),
      headDimension: 8)
    let elements: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    var direct = Matrix(rows: 1, columns: 8, elements: elements)
    table.rotate(&direct, firstPosition: 9, workers: WorkerPool())
    var turned = Matrix(rows: 1, columns: 8, elements: elements)
    table.rotate(&turned, firstPosition: 300, workers: WorkerPool())
    table.turn(&turned, rows: 0..<1, firstPosition: 300, to: 9, workers: WorkerPool())
    #expect(largestDifference(direct.elements, turned.elements) < 1e-5)
    let length = direct.elements.reduce(0) { $0 + $1 * $1 }
    #expect(abs(length - 1.5 * 1.5 * 204) < 1e-3)
  }

  @Test("A scaling in a file's metadata is the one that a spec would give")
  func metadata() throws {
    for (settings, scaling) in Self.stated {
      let file = try GGUFWriter(copying: GoldenModels.file("llama"), setting: settings).file()
      let stated = try TinyModel.load(file)
      let given = try BlueprintDecoder(
        GoldenModels.file("llama"), workspace: stated.workspace, name: "", ropeScaling: scaling)
      #expect(stated.shape == given.shape, "\(settings)")
      #expect(stated.contextLength == given.contextLength, "\(settings)")
    }
  }

  /// Metadata over the file's 64 tokens, and the same as a spec gives it.
  static let stated: [([String: GGUFValue], RotaryScaling)] = {
    let length = ["llama.rope.scaling.original_context_length": GGUFValue.uint32(64)]
    func settings(_ type: String, _ more: [String: GGUFValue] = [:]) -> [String: GGUFValue] {
      length.merging(
        ["llama.rope.scaling.type": .string(type), "llama.rope.scaling.factor": .float32(4)]
      ) { $1 }.merging(more) { $1 }
    }
    var yarn = RotaryScaling(.yarn, factor: 4)
    yarn.betaFast = 16
    yarn.betaSlow = 2
    yarn.attentionFactor = 2 * (0.1 * log(4.0) + 1) / (0.05 * log(4.0) + 1)
    return [
      (settings("linear"), RotaryScaling(.linear, factor: 4)),
      (settings("ntk"), RotaryScaling(.ntk, factor: 4)),
      (settings("dynamic-ntk"), RotaryScaling(.dynamicNTK, factor: 4)),
      (settings("llama3"), RotaryScaling(.llama3, factor: 4)),
      (settings("yarn"), RotaryScaling(.yarn, factor: 4)),
      (
        settings(
          "yarn",
          [
            "llama.rope.scaling.yarn_beta_fast": .float32(16),
            "llama.rope.scaling.yarn_beta_slow": .float32(2),
            "llama.rope.scaling.yarn_log_multiplier": .float32(0.5),
            "llama.rope.scaling.attn_factor": .float32(2),
          ]), yarn
      ),
      (
        length.merging(["llama.rope.scale_linear": .float32(4)]) { $1 },
        RotaryScaling(.linear, factor: 4)
      ),
    ]
  }()

  @Test("Nothing is scaled where the type is none, or the factor 0 or 1")
  func none() throws {
    let plain = try TinyModel.load(GoldenModels.file("llama"))
    for settings in [
      ["llama.rope.scaling.type": .string("none"), "llama.rope.scaling.factor": .float32(4)],
      ["llama.rope.scaling.factor": .float32(0)], ["llama.rope.scale_linear": .float32(1)],
      ["llama.rope.scaling.type": .string("linear"), "llama.rope.scaling.finetuned": .bool(true)],
    ] as [[String: GGUFValue]] {
      let file = try GGUFWriter(copying: GoldenModels.file("llama"), setting: settings).file()
      let model = try TinyModel.load(file)
      #expect(model.blueprint == plain.blueprint, "\(settings)")
    }
  }

  @Test("A context length is the original times the factor, where a scaling is given")
  func contextLengths() throws {
    func length(_ file: String, _ scaling: RotaryScaling?) throws -> Int {
      try BlueprintDecoder(
        GoldenModels.file(file), workspace: Workspace(workers: WorkerPool()), name: file,
        ropeScaling: scaling
      ).contextLength
    }
    #expect(try length("llama", nil) == 64)
    #expect(try length("llama", RotaryScaling(.yarn, factor: 2.5)) == 160)
    #expect(
      try length("llama", RotaryScaling(.yarn, factor: 2, originalContextLength: 48)) == 96)
    // Stated with an original length of 64; with none, of what the file says.
    #expect(try length("qwen2", nil) == 256)
    #expect(try length("qwen2", RotaryScaling(.linear, factor: 2)) == 128)
    #expect(try length("gemma3", nil) == 160)
    #expect(try length("llama", RotaryScaling(.linear, factor: 1024)) == 65_536)
    // Never beyond a window that all layers have.
    #expect(try length("mistral", RotaryScaling(.linear, factor: 8)) == 24)
  }

  @Test("A scaling that is given replaces frequency factors, and leaves layers with a window alone")
  func replaced() throws {
    let scaling = RotaryScaling(.linear, factor: 2)
    func shape(_ file: String) throws -> AttentionShape {
      try BlueprintDecoder(
        GoldenModels.file(file), workspace: Workspace(workers: WorkerPool()), name: file,
        ropeScaling: scaling
      ).shape
    }
    #expect(try shape("llama3").geometry[0].rotary?.frequencies.first == 0.5)
    let gemma = try shape("gemma3").geometry
    #expect(gemma[5].rotary?.frequencies.first == 0.5)
    #expect(gemma[0].rotary?.frequencies.first == 1)
  }

  @Test("Under dynamic-ntk the frequencies are those of the length that a model is opened for")
  func dynamic() throws {
    func frequency(openedFor length: Int?) throws -> Double {
      let model = try BlueprintDecoder(
        GoldenModels.file("llama"), workspace: Workspace(workers: WorkerPool()), name: "",
        ropeScaling: RotaryScaling(.dynamicNTK, factor: 4), openedFor: length)
      #expect(model.contextLength == 256 && model.blueprint.dependsOnContextLength)
      return try #require(model.shape.geometry[0].rotary?.frequencies.last)
    }
    let plain = pow(10_000, -30.0 / 32)
    #expect(abs(try frequency(openedFor: 10) - plain) < 1e-15)
    #expect(abs(try frequency(openedFor: 64) - plain) < 1e-15)
    // The lowest is divided by 4 · 256 / 64 − 3, as the whole context length asks for.
    #expect(abs(try frequency(openedFor: nil) - plain / 13) < 1e-15)
    #expect(try frequency(openedFor: 256) == frequency(openedFor: nil))
  }
}
