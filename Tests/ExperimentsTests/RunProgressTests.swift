import Records
import Testing

@testable import Experiments

@Suite("What a run tells of its progress")
struct RunProgressTests {
  @Test("What is done grows from nothing to everything, with an estimate of the rest")
  func share() throws {
    let lab = try RunLab()
    let run = try lab.run(
      RunLab.spec(
        contexts: "128, 256", strategies: [RunLab.streaming, RunLab.tca, RunLab.matching],
        tasks: [RunLab.perplexity("prefill", samples: 2), RunLab.perplexity("continuation")]))
    let steps = run.events.compactMap { event -> (done: Double, remaining: Double?)? in
      if case .progress(_, let done, let remaining) = event { (done, remaining) } else { nil }
    }
    #expect(steps.first?.done == 0 && steps.first?.remaining == nil)
    #expect(zip(steps, steps.dropFirst()).allSatisfy { $0.done <= $1.done })
    #expect(try #require(steps.last).done > 0.999)
    #expect(steps.allSatisfy { $0.done < 0.03 || ($0.remaining ?? -1) >= 0 })
    // Every layer of every pass is told.
    #expect(steps.count > 100)
  }

  @Test("The place is told: model, task, length, strategy, pass and sample")
  func place() throws {
    let lab = try RunLab()
    let run = try lab.run(
      RunLab.spec(
        strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill", samples: 2)]))
    let places = Set(
      run.events.compactMap { event -> String? in
        if case .progress(let text, _, _) = event { text } else { nil }
      })
    for step in [
      "dense pass, sample 2 of 2", "streaming-llm, own pass, sample 1 of 2",
      "timing streaming-llm, repeat 0",
    ] {
      #expect(places.contains("tiny, perplexity/prefill at 128 tokens: \(step)"), "\(places)")
    }
  }

  @Test("Samples beyond counting do not stop the estimate")
  func manySamples() {
    let work = GroupWork(measured: 2, ownPasses: 1, hasDensePass: true)
    let length = GroupWork.Length(tokens: 512, scored: 256)
    #expect(work.total(of: [length], count: .max).isFinite)
    #expect(work.total(of: [length], count: 3) == work.total(of: [length, length, length]))
  }
}
