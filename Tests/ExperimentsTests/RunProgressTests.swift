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

  @Test("Cell, phase, place and rate are told, from loading to timing")
  func place() throws {
    let lab = try RunLab()
    let run = try lab.run(
      RunLab.spec(
        strategies: [RunLab.tca], tasks: [RunLab.perplexity("continuation", samples: 2)]))
    let steps = run.events.compactMap { event -> RunStep? in
      if case .progress(let step, _, _) = event { step } else { nil }
    }
    let group = "tiny, perplexity/continuation at 128 tokens"
    func told(_ phase: RunStep.Phase, _ cell: String, _ place: String) -> Bool {
      steps.contains {
        $0.phase == phase && $0.cell == cell && $0.place == place && $0.group.hasPrefix("tiny")
      }
    }
    #expect(steps.first == RunStep(.loading, group: group))
    #expect(told(.calibrating, "tca", "layer 1 of 2"))
    #expect(told(.prefill, "dense pass", "sample 2 of 2"))
    #expect(told(.decode, "dense pass", "sample 2 of 2"))
    #expect(told(.prefill, "tca", "sample 1 of 2") && told(.decode, "tca", "sample 1 of 2"))
    #expect(
      steps.contains {
        $0.phase == .timing && $0.cell == "tca" && $0.place.hasPrefix("repeat 1 of ")
      })
    // Only what is watched has a rate, and whatever runs has one.
    for step in steps {
      let isRunning = [.prefill, .decode].contains(step.phase) && !step.place.isEmpty
      #expect((step.tokensPerSecond ?? 0 > 0) == isRunning, "\(step)")
    }
  }

  @Test("What is no cell's own is told when it ends, with the time that it took")
  func ended() throws {
    let lab = try RunLab()
    let start = ContinuousClock.now
    let run = try lab.run(
      RunLab.spec(
        contexts: "256",
        strategies: [
          RunLab.tca,
          #"{"name": "xattention", "blockSize": 16, "densityScope": "model", "budget": {"density": 0.5}}"#,
        ], tasks: [RunLab.perplexity("continuation", samples: 2)]))
    let passed = ContinuousClock.now - start
    let ended = run.events.compactMap { event -> (what: String, seconds: Double)? in
      if case .ended(let what, let seconds) = event { (what, seconds) } else { nil }
    }
    #expect(
      ended.map(\.what) == [
        "loading", "calibration of tca", "density of xattention", "dense pass", "timing, 2 repeats",
      ])
    #expect(ended.allSatisfy { $0.seconds > 0 })
    let sum = ended.reduce(0) { $0 + $1.seconds }
    #expect(Duration.seconds(sum) < passed)
  }

  @Test("A step says first what changes most")
  func line() {
    let step = RunStep(
      .decode, of: "snapkv", place: "sample 2 of 12", group: "tiny, passkey at 128 tokens",
      tokensPerSecond: 41.6)
    #expect(
      "\(step)" == "decode at 42 tokens/s, snapkv, sample 2 of 12: tiny, passkey at 128 tokens")
  }
}
