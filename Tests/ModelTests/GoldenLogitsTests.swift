import Kernels
import Testing
import Transformer

extension RealModelTests {
  @Suite("Golden logits") struct GoldenLogitsTests {
    @Test(
      "Logits and log-probabilities are the reference's, at 16 and at 200 tokens",
      arguments: [0, 1])
    func logits(index: Int) throws {
      let golden = try Golden.load().logits[index]
      let model = try LocalModel.smolLM2.load()
      #expect(golden.ids.count == golden.n)
      let scores = try model.score(golden.ids, attention: model.denseSession(), nextCount: 10)
      #expect(scores.next.map(\.token) == golden.topIDs)
      for (found, expected) in zip(scores.next, golden.topLogits) {
        #expect(abs(found.logit - expected) < 2e-3, "token \(found.token)")
      }
      #expect(abs(scores.logSumExp - golden.logSumExp) < 2e-3)
      let mean = try #require(scores.meanLogProbability)
      #expect(abs(mean - golden.meanLogProbability) < 1e-4)
    }

    @Test(
      "24 greedy tokens are the reference's, but where two were nearly level", arguments: [0, 1])
    func greedy(index: Int) throws {
      let golden = try Golden.load().greedy[index]
      let model = try LocalModel.smolLM2.load()
      var decoder = try GreedyDecoder(
        model, attention: model.denseSession(), prompt: golden.ids)
      for (step, expected) in golden.newIDs.enumerated() {
        let chosen = decoder.choose()
        #expect(
          chosen == expected || golden.gaps[step] < 0.01,
          "step \(step): \(chosen), the reference's gap is \(golden.gaps[step])")
        let best = Softmax.top(2, of: decoder.logits.span).map { decoder.logits[$0] }
        #expect(abs(best[0] - best[1] - golden.gaps[step]) < 5e-3, "step \(step)")
        // Goes on as the reference did, so that one excusable step excuses no other.
        if step + 1 < golden.newIDs.count { try decoder.run(expected) }
      }
    }
  }
}
