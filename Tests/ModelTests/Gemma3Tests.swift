import Attention
import Foundation
import Kernels
import LabTestSupport
import Testing
import Transformer

/// Gemma 3 270M against transformers on the dequantised file.
@Suite("On Gemma 3 270M", .serialized, .needs(.gemma3))
struct Gemma3Tests {
  /// `Tests/Golden/models/gemma3.json`, as far as it concerns the model.
  struct Golden: Decodable {
    struct Logits: Decodable {
      var ids: [Int32]
      var topIDs: [Int32]
      var topLogits: [Float]
      var meanLogProbability: Double
      var newIDs: [Int32]

      enum CodingKeys: String, CodingKey {
        case ids
        case topIDs = "top_ids"
        case topLogits = "top_logits"
        case meanLogProbability = "mean_logprob"
        case newIDs = "new_ids"
      }
    }

    var logits: [Logits]

    static func load(_ index: Int) throws -> Logits {
      let path = GoldenFiles.path("models/gemma3.json")
      return try JSONDecoder().decode(
        Golden.self, from: Data(contentsOf: URL(fileURLWithPath: path))
      ).logits[index]
    }
  }

  @Test("Its geometry is the published one")
  func geometry() throws {
    let blueprint = try LocalModel.gemma3.load().blueprint
    #expect(blueprint.contextLength == 32_768 && blueprint.vocabularySize == 262_144)
    #expect((blueprint.shape.queryHeads, blueprint.shape.kvHeads) == (4, 1))
    #expect(blueprint.shape.headDimension == 256 && blueprint.shape.layers == 18)
    #expect(
      blueprint.shape.geometry.indices.filter { blueprint.shape.geometry[$0].window == nil }
        == [5, 11, 17])
    #expect(Set(blueprint.shape.geometry.compactMap(\.window)) == [512])
  }

  @Test(
    "Logits, log-probabilities and greedy tokens are the reference's at 16, 300 and 1,200 tokens",
    arguments: [0, 1, 2])
  func golden(index: Int) throws {
    let golden = try Golden.load(index)
    let model = try LocalModel.gemma3.load()
    let scores = try model.score(golden.ids, attention: model.denseSession(), nextCount: 12)
    for (rank, (token, logit)) in zip(golden.topIDs, golden.topLogits).enumerated() {
      let found = try #require(scores.next.first { $0.token == token }, "rank \(rank)")
      #expect(abs(found.logit - logit) < 5e-3, "rank \(rank)")
      let isAlone = [rank - 1, rank + 1].allSatisfy {
        !golden.topLogits.indices.contains($0) || abs(golden.topLogits[$0] - logit) > 1e-2
      }
      #expect(!isAlone || scores.next[rank].token == token, "rank \(rank)")
    }
    let mean = try #require(scores.meanLogProbability)
    #expect(abs(mean - golden.meanLogProbability) < 2e-4)

    var decoder = try GreedyDecoder(
      model, attention: model.denseSession(), prompt: golden.ids)
    for (step, expected) in golden.newIDs.enumerated() {
      let chosen = decoder.choose()
      let gap = decoder.logits[Int(chosen)] - decoder.logits[Int(expected)]
      #expect(chosen == expected || gap < 1e-2, "step \(step): a gap of \(gap)")
      // Goes on as the reference did, so that one excusable step excuses no other.
      if step + 1 < golden.newIDs.count { try decoder.run(expected) }
    }
  }

  @Test("Prompts of 511, 512 and 513 tokens give the same at once and in pieces")
  func window() throws {
    let ids = try Golden.load(2).ids
    let model = try LocalModel.gemma3.load()
    for count in [511, 512, 513] {
      let tokens = Array(ids[..<count])
      let whole = try model.forward(
        tokens, firstPosition: 0, phase: .prefill, attention: model.denseSession(),
        keeping: count - 3..<count)
      let session = model.denseSession()
      _ = try model.forward(
        Array(tokens[..<(count - 3)]), firstPosition: 0, phase: .prefill, attention: session,
        keeping: 0..<0)
      for row in 0..<3 {
        let hidden = try model.forward(
          [tokens[count - 3 + row]], firstPosition: count - 3 + row, phase: .decode,
          attention: session, keeping: 0..<1)
        var (found, expected): ([Float], [Float]) = ([], [])
        model.logits(of: hidden, row: 0, into: &found)
        model.logits(of: whole, row: row, into: &expected)
        let difference = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(difference < 5e-3, "\(count) tokens, row \(row)")
      }
    }
  }
}
