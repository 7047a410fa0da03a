import Planning
import Tensors
import Testing

@testable import Experiments

@Suite("Models under a rotary scaling")
struct RopeScalingTests {
  static func load(
    _ lab: RunLab, _ scaling: RotaryScaling?, openedFor length: Int? = nil
  ) throws -> LoadedModel {
    try LoadedModel(
      name: "tiny", path: lab.folder.path("model.gguf"), workspace: lab.workspace,
      ropeScaling: scaling, openedFor: length)
  }

  @Test("A model's digest holds its scaling, and the length it is opened for where that matters")
  func digests() throws {
    let lab = try RunLab()
    let plain = try Self.load(lab, nil, openedFor: 100)
    #expect(try plain.digest == plain.fileDigest)
    let yarn = RotaryScaling(.yarn, factor: 2)
    let scaled = try [100, 200].map { try Self.load(lab, yarn, openedFor: $0).digest }
    #expect(scaled[0] == scaled[1])
    #expect(try scaled[0] == yarn.digest(ofFile: plain.fileDigest))
    let dynamic = RotaryScaling(.dynamicNTK, factor: 2)
    let opened = try [100, 200, nil].map { try Self.load(lab, dynamic, openedFor: $0).digest }
    #expect(Set(opened + scaled).count == 4)
    #expect(
      try ModelFacts(
        name: "a", path: lab.folder.path("model.gguf"), ropeScaling: yarn
      ).digest == scaled[0])
  }

  @Test("A shelf opens a model anew only where the length changes what it computes")
  func shelf() throws {
    let lab = try RunLab()
    let path = lab.folder.path("model.gguf")
    let models = try [nil, RotaryScaling(.yarn, factor: 2), RotaryScaling(.dynamicNTK, factor: 2)]
      .enumerated().map { try ModelFacts(name: "\($0)", path: path, ropeScaling: $1) }
    #expect(models.map(\.contextLength) == [512, 1024, 1024])
    let shelf = ModelShelf(models, workspace: lab.workspace)
    for (name, isSame) in [("0", true), ("1", true), ("2", false)] {
      let first = try shelf.model(named: name, contextLength: 600).model
      #expect(try shelf.model(named: name, contextLength: 600).model === first)
      let second = try shelf.model(named: name, contextLength: 1000).model
      #expect((second === first) == isSame)
      #expect((second.shape == first.shape) == isSame)
    }
  }

  @Test("A spec runs a model beyond the length that its file states")
  func run() throws {
    let lab = try RunLab()
    let scaling = #"{"type": "dynamic-ntk", "factor": 2}"#
    let spec = RunLab.spec(
      contexts: "600, 640", strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill")],
      rest: #", "metrics": ["approximation", "quality"]"#
    ).replacing(
      #""path": "model.gguf""#, with: #""path": "model.gguf", "ropeScaling": \#(scaling)"#)
    let run = try lab.run(spec)
    #expect(run.summary.finished == 4 && run.summary.failed == 0)
    #expect(try lab.run(spec).summary.skipped == 4)
  }
}
