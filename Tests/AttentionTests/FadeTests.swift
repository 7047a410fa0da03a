import Foundation
import JSON
import Kernels
import Records
import Tensors
import Testing
import Threads

@testable import Attention

/// Which tokens keep all their bits, which few, and which leave, against the rule worked out in Double.
@Suite("fade")
struct FadeTests {
  static let shape = AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 64)

  private func session(_ change: (inout Fade) -> Void = { _ in }) throws -> AttentionSession {
    let strategy = Fade(change)
    try ConfiguredStrategy(strategy, cache: .nested).check(promptTokens: 400, shape: Self.shape)
    return AttentionSession(
      strategy, shape: Self.shape, workspace: Workspace(workers: WorkerPool()), cache: .nested)
  }

  /// What a prompt's last 64 queries attend to before these: the mean weight by key, the largest of a group's heads, each
  /// pooled over some keys.
  private func scores(
    _ sequence: TestSequence, kvHead: Int, prompt: Int, kernel: Int = 1
  ) -> [Double] {
    var largest = [Double](repeating: 0, count: prompt - 64)
    for head in Self.shape.queryHeads(of: kvHead) {
      var mean = [Double](repeating: 0, count: prompt - 64)
      for query in prompt - 64..<prompt {
        let whole = sequence.attention.attendDensely(head: head, query: query).logSumExp
        for key in mean.indices {
          mean[key] += exp(sequence.attention.logit(head: head, query: query, key: key) - whole)
        }
      }
      for key in mean.indices {
        let near = key - kernel / 2...key + kernel / 2
        largest[key] = max(
          largest[key], near.reduce(0) { $0 + (mean.indices ~= $1 ? mean[$1] : 0) })
      }
    }
    return largest
  }

  /// The keys from some first ones on by falling score.
  private func ranked(_ scores: [Double], after sinks: Int) -> [Int] {
    (sinks..<scores.count).sorted { scores[$0] > scores[$1] }
  }

  private func whole(_ head: KVHead) -> [Int] {
    let coarse = Set(head.coarsePositions)
    return head.positions.filter { !coarse.contains($0) }.map { Int($0) }
  }

  @Test(
    "Those that the prompt's end attends to, the first and the newest keep all bits; nobody leaves")
  func prompt() throws {
    let session = try session {
      $0.whole = 0.3
      $0.sinks = 3
    }
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 3)
    sequence.run(session, 0..<400, .prefill)
    for (kvHead, head) in session.caches[0].enumerated() {
      let ranked = ranked(scores(sequence, kvHead: kvHead, prompt: 400), after: 3)
      #expect(head.count == 400)
      #expect(
        whole(head) == Array(0..<3) + ranked.prefix(Int(0.3 * 333)).sorted() + Array(336..<400))
    }
  }

  @Test(
    "Generated tokens lose bits when they leave the window, 32 at a time, and none gets any back")
  func decode() throws {
    let session = try session {
      $0.whole = 0.2
      $0.localWindow = 64
    }
    let sequence = TestSequence(Self.shape, tokens: 520, seed: 4)
    sequence.run(session, 0..<400, .prefill)
    let before = session.caches[0].map(whole)
    for position in 400..<520 {
      sequence.run(session, position..<position + 1, .decode)
      // Cut before the steps at multiples of 32.
      let cut = position / 32 * 32
      let end = cut > 400 ? max(336, cut - 64) : 336
      for (head, before) in zip(session.caches[0], before) {
        #expect(whole(head) == before.filter { $0 < 336 } + Array(end...position))
        #expect(head.count == position + 1)
      }
    }
  }

  @Test(
    "A budget's bytes are not exceeded, and used; the lowest in rank leave",
    arguments: [3, 38, 100, 200, 399])
  func budget(tokens: Int) throws {
    let session = try session { $0.budget = .tokens(tokens) }
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 5)
    sequence.run(session, 0..<400, .prefill)
    let bytes = CacheFormat.nested.tokenBytes(headDimension: 64)
    for (kvHead, head) in session.caches[0].enumerated() {
      // The means of keys and values are none of a token's.
      let held = head.logicalBytes - CacheFormat.nested.meanBytes(headDimension: 64)
      #expect(held <= tokens * bytes)
      #expect(Double(held) > Double(tokens * bytes) * 0.97 - 150)
      let kept = head.positions.map { Int($0) }
      #expect(kept.last == 399)
      let important = ranked(scores(sequence, kvHead: kvHead, prompt: 400), after: 4)
      let heavy = Set(whole(head)).intersection(important)
      #expect(heavy == Set(important.prefix(heavy.count)))
      // The others are the best by what their neighbours have, too.
      let pooled = ranked(scores(sequence, kvHead: kvHead, prompt: 400, kernel: 7), after: 4)
        .filter { !heavy.contains($0) }
      let others = Set(kept).intersection(pooled)
      #expect(others == Set(pooled.prefix(others.count)))
    }
  }

  @Test("As a part of a composition it does what it does alone, whatever stands beside it")
  func composed() throws {
    let sequence = TestSequence(Self.shape, tokens: 340, seed: 8)
    func coarse(_ strategy: JSONValue) throws -> [[[Int32]]] {
      let configured = try StrategyRegistry.builtIn.configure(strategy)
      let session = AttentionSession(
        configured.forPrompt(of: 200, shape: Self.shape), shape: Self.shape,
        workspace: Workspace(workers: WorkerPool()), cache: .nested)
      sequence.run(session, 0..<200, .prefill)
      return (200..<340).map {
        sequence.run(session, $0..<$0 + 1, .decode)
        return session.caches[0].map(\.coarsePositions)
      }
    }
    for budget in [60, 150] {
      let fade: JSONValue = [
        "name": "fade", "localWindow": 40, "budget": ["tokens": .integer(budget)],
      ]
      let alone = try coarse(fade)
      #expect(alone.last != alone.first)
      for decode in ["skim", "quest", "streaming-llm", "fade"] as [JSONValue] {
        let parts: JSONValue = ["name": "composed", "retention": fade, "decode": ["name": decode]]
        #expect(try coarse(parts) == alone, "\(decode), budget \(budget)")
      }
    }
  }

  @Test("A budget of everything changes nothing")
  func everything() throws {
    let session = try session { $0.budget = .everything }
    let sequence = TestSequence(Self.shape, tokens: 500, seed: 6)
    sequence.run(session, 0..<400, .prefill)
    for position in 400..<500 { sequence.run(session, position..<position + 1, .decode) }
    #expect(session.caches[0].allSatisfy { $0.coarsePositions.isEmpty && $0.count == 500 })
  }

  @Test("Plans fit, and a larger budget never holds less")
  func plans() {
    for d in [64, 128, 256] {
      let bytes = FadeBytes(headDimension: d)
      for tokens in [1, 2, 33, 500, 8192] {
        for share in [0, 1.0 / 16, 0.5, 1] {
          var last = 0
          for budget in stride(from: 1, through: tokens, by: max(1, tokens / 37)) {
            let plan = FadePlan(
              tokens: tokens, budget: budget, whole: share,
              forced: ForcedTokens(first: 4, newest: 64),
              bytes: bytes)
            #expect(plan.whole >= 1 && plan.whole <= plan.kept && plan.kept <= tokens)
            let own = plan.forcedWhole.first + plan.forcedWhole.newest
            #expect(own >= 1 && own <= plan.whole)
            #expect(plan.forced.first + plan.forced.newest <= plan.kept - plan.whole + own)
            let held = bytes.of(plan.kept, whole: plan.whole)
            #expect(held <= budget * (4 + 2 * d), "\(plan) of \(tokens) for \(budget)")
            #expect(held > budget * (4 + 2 * d) - 2 * (4 + 2 * d))
            #expect(plan.kept >= last)
            last = plan.kept
          }
        }
      }
    }
  }

  @Test(
    "What it says that it holds is what it holds, step by step",
    arguments: [nil, 3, 38, 90, 140, 199, 200, 230], [16, 64, 100])
  func bytesKnown(budget: Int?, localWindow: Int) throws {
    for (prompt, whole) in [(200, 1.0 / 16), (200, 0.9), (100, 0.1), (40, 0.5)] {
      try bytesKnown(budget: budget, localWindow: localWindow, prompt: prompt, whole: whole)
    }
  }

  private func bytesKnown(budget: Int?, localWindow: Int, prompt: Int, whole: Double) throws {
    let strategy = Fade {
      $0.whole = whole
      $0.budget = budget.map { .tokens($0) }
      $0.localWindow = localWindow
    }
    let session = AttentionSession(
      strategy, shape: Self.shape, workspace: Workspace(workers: WorkerPool()), cache: .nested)
    let sequence = TestSequence(Self.shape, tokens: 340, seed: 7)
    for step in 0...140 {
      sequence.run(
        session, step == 0 ? 0..<prompt : prompt + step - 1..<prompt + step,
        step == 0 ? .prefill : .decode)
      let said = try #require(
        strategy.tokensHeld(atStep: step, afterPrompt: prompt, headDimension: 64))
      let means = prompt < 128 ? 0 : CacheFormat.nested.meanBytes(headDimension: 64)
      for head in session.caches[0] {
        #expect(
          abs(Double(head.logicalBytes - means) - said * 132) < 1e-6,
          "prompt \(prompt), \(whole) whole, step \(step)")
        #expect(!Set(head.coarsePositions).contains(where: { $0 < 4 }) || budget != nil)
      }
    }
  }
}
