import Foundation
import JSON
import Kernels
import LabTestSupport
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

  /// What queries of a prompt of 400 tokens attend to, the newest of which count most: each query head's mean weight by key over
  /// those that see it, times a weight of the key, pooled over some keys, and of a group's heads the largest.
  private func scores(
    _ sequence: TestSequence, kvHead: Int, halfLife: Int = 256, kernel: Int = 1,
    weights: [Double]? = nil
  ) -> [Double] {
    let queries = (0..<400).filter { query in
      let age = 399 - query
      let step = 1 << (age / halfLife)
      return step <= halfLife && (age - age / halfLife * halfLife) % step == 0
    }
    var largest = [Double](repeating: 0, count: 400)
    for head in Self.shape.queryHeads(of: kvHead) {
      var mean = [Double](repeating: 0, count: 400)
      for query in queries {
        let whole = sequence.attention.attendDensely(head: head, query: query).logSumExp
        for key in 0...query {
          mean[key] += exp(sequence.attention.logit(head: head, query: query, key: key) - whole)
        }
      }
      for key in mean.indices {
        mean[key] *= (weights?[key] ?? 1) / Double(queries.count { $0 >= key })
      }
      largest = zip(largest, pooled(mean, kernel)).map { max($0, $1) }
    }
    return largest
  }

  private func pooled(_ numbers: [Double], _ kernel: Int) -> [Double] {
    numbers.indices.map { key in
      let near = (key - kernel / 2...key + kernel / 2).clamped(to: 0...numbers.count - 1)
      return near.reduce(0) { $0 + numbers[$1] } / Double(kernel)
    }
  }

  /// 1 less the mean cosine of each key and those around it.
  private func oddness(_ sequence: TestSequence, kvHead: Int, side: Int) -> [Double] {
    let units = (0..<400).map { key in
      let row = (kvHead * 64..<(kvHead + 1) * 64).map { Double(sequence.attention.keys[key, $0]) }
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return row.map { $0 / length }
    }
    return (0..<400).map { key in
      let near = (key - side...key + side).clamped(to: 0...399)
      let cosines = near.map { other in zip(units[key], units[other]).reduce(0) { $0 + $1.0 * $1.1 }
      }
      return 1 - cosines.reduce(0, +) / Double(near.count)
    }
  }

  /// Those scores times how far a value is from the mean value.
  private func worth(_ sequence: TestSequence, kvHead: Int, halfLife: Int = 256) -> [Double] {
    let columns = kvHead * 64..<(kvHead + 1) * 64
    let values = (0..<400).map { key in
      columns.map { Double(sequence.attention.values[key, $0]) }
    }
    let mean = (0..<64).map { i in values.reduce(0) { $0 + $1[i] } / 400 }
    return zip(scores(sequence, kvHead: kvHead, halfLife: halfLife), values).map { score, value in
      score * zip(value, mean).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
    }
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
    "Those that the newest queries attend to most, the first and the newest keep all bits; nobody leaves",
    arguments: [256, 100, 7])
  func prompt(halfLife: Int) throws {
    let session = try session {
      $0.whole = 0.3
      $0.sinks = 3
      $0.newest = 21
      $0.halfLife = halfLife
    }
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 3)
    sequence.run(session, 0..<400, .prefill)
    for (kvHead, head) in session.caches[0].enumerated() {
      let worth = worth(sequence, kvHead: kvHead, halfLife: halfLife).dropLast(21)
      let ranked = ranked(Array(worth), after: 3)
      #expect(head.count == 400)
      #expect(
        whole(head) == Array(0..<3) + ranked.prefix(Int(0.3 * 376)).sorted() + Array(379..<400))
    }
  }

  @Test(
    "Generated tokens lose bits when they leave the window, 32 at a time, and none gets any back",
    arguments: [64, nil])
  func decode(localWindow: Int?) throws {
    let session = try session {
      $0.whole = 0.2
      $0.localWindow = localWindow
    }
    let sequence = TestSequence(Self.shape, tokens: 600, seed: 4)
    sequence.run(session, 0..<400, .prefill)
    let before = session.caches[0].map(whole)
    for position in 400..<600 {
      sequence.run(session, position..<position + 1, .decode)
      // Cut before the steps at multiples of 32.
      let cut = position / 32 * 32
      let end = cut > 400 ? max(384, cut - (localWindow ?? 128)) : 384
      for (head, before) in zip(session.caches[0], before) {
        #expect(whole(head) == before.filter { $0 < 384 } + Array(end...position))
        #expect(head.count == position + 1)
      }
    }
  }

  @Test(
    "Under a budget tokens wait for an eighth of it, in whole 32s",
    arguments: [(40, 32), (300, 32), (600, 64), (900, 96), (8_000, 512)])
  func wait(budget: Int, tokens: Int) {
    let strategy = Fade { $0.budget = .tokens(budget) }
    let said = Fade {
      $0.budget = .tokens(budget)
      $0.localWindow = tokens
    }
    let prompt = budget * 2
    for step in [1, 40, 100, 130, 600] {
      #expect(
        strategy.tokensHeld(atStep: step, afterPrompt: prompt, headDimension: 64)
          == said.tokensHeld(atStep: step, afterPrompt: prompt, headDimension: 64))
    }
  }

  @Test(
    "A budget's bytes are not exceeded, and used; the oddest and the highest in rank stay, of all heads of a layer",
    arguments: [3, 38, 70, 100, 130, 399],
    [(0, 0.25, 256), (0.2, 0, 256), (0.2, 0.25, 20), (1, 1, 7)])
  func budget(tokens: Int, rule: (floorFraction: Double, odd: Double, side: Int)) throws {
    let session = try session {
      $0.budget = .tokens(tokens)
      $0.floorFraction = rule.floorFraction
      $0.odd = rule.odd
      $0.neighbourhood = rule.side
    }
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 5)
    sequence.run(session, 0..<400, .prefill)
    let heads = session.caches[0]
    let allowed = tokens * CacheFormat.nested.tokenBytes(headDimension: 64)
    // The means of keys and values are none of a token's.
    let held = heads.map { $0.logicalBytes - CacheFormat.nested.meanBytes(headDimension: 64) }
    #expect(held.reduce(0, +) <= 2 * allowed)
    #expect(Double(held.reduce(0, +)) > 2 * (Double(allowed) * 0.97 - 166))
    let mean = heads.reduce(0) { $0 + $1.count } / 2
    var least: [Double] = []
    var most: [Double] = []
    for (kvHead, head) in heads.enumerated() {
      let kept = head.positions.map { Int($0) }
      #expect(kept.last == 399)
      let newest = kept.reversed().enumerated().prefix { 399 - $0 == $1 }.count
      let worth = worth(sequence, kvHead: kvHead).dropLast(min(16, newest))
      let important = ranked(Array(worth), after: min(4, kept[0] == 0 ? 4 : 0))
      let heavy = Set(whole(head)).intersection(important)
      #expect(heavy == Set(important.prefix(heavy.count)))
      // Else there is hardly more than what is forced.
      #expect(mean > 40 || tokens == 3)
      guard mean > 40 else { continue }
      // Of the others the oddest, and the best by what their neighbours have, too.
      let oddness = oddness(sequence, kvHead: kvHead, side: rule.side)
      let oddest = ranked(Array(pooled(oddness, 7).dropLast(16)), after: 4)
        .filter { !heavy.contains($0) }
        .prefix(Int(rule.odd * Double(mean - 20 - heavy.count) * (1 + 1e-12)))
      let scores = scores(sequence, kvHead: kvHead, kernel: 7, weights: oddness)
      let rest = ranked(Array(scores.dropLast(16)), after: 4)
        .filter { !heavy.contains($0) && !oddest.contains($0) }
      #expect(Set(oddest).isSubset(of: kept))
      let others = Set(kept).intersection(rest)
      #expect(others == Set(rest.prefix(others.count)))
      least.append(others.map { scores[$0] }.min() ?? .infinity)
      most.append(rest.filter { !others.contains($0) }.map { scores[$0] }.max() ?? 0)
    }
    if rule.floorFraction == 1 { #expect(heads[0].count == heads[1].count) }
    // All that stay are above all that leave.
    if rule.floorFraction == 0, 70...130 ~= tokens { #expect(least.min()! >= most.max()!) }
  }

  @Test("A key that nobody attends to stays if it is odd", arguments: [(0.25, true), (0, false)])
  func needle(odd: Double, stays: Bool) throws {
    // All keys point one way, up to noise, and all queries look there; one key points away.
    var generator = SeededGenerator(seed: 9, purpose: "needle")
    func matrix(_ columns: Int, _ mean: Float) -> Matrix {
      Matrix(
        rows: 400, columns: columns,
        elements: (0..<400 * columns).map { _ in mean + 0.3 * Float(generator.normal()) })
    }
    var keys = matrix(128, 1)
    for column in 0..<128 { keys[60, column] = -1 }
    let sequence = TestSequence(
      ReferenceAttention(
        shape: Self.shape, queries: matrix(384, 1), keys: keys, values: matrix(128, 0)))
    let session = try session {
      $0.budget = .tokens(100)
      $0.kernel = 1
      $0.odd = odd
    }
    sequence.run(session, 0..<400, .prefill)
    for head in session.caches[0] { #expect(head.positions.contains(60) == stays) }
  }

  @Test("Oddness is 1 less the mean cosine, also beside keys of no length or none that is finite")
  func oddness() {
    var keys = Matrix(rows: 5, columns: 128, elements: Array(repeating: 1, count: 640))
    for column in 0..<64 {
      keys[2, column] = -1
      keys[3, column] = 0
    }
    let few = TestSequence(
      ReferenceAttention(
        shape: Self.shape, queries: Matrix(rows: 5, columns: 384), keys: keys,
        values: Matrix(rows: 5, columns: 128)))
    let view = few.view()
    let alike = view.keyOddness(ofKVHead: 1, side: 256)
    #expect(alike.count == 5 && alike.allSatisfy { abs($0) < 1e-12 })
    let odd = view.keyOddness(ofKVHead: 0, side: 1)
    #expect(odd.count == 5)
    for (said, right) in zip(odd, [0, 2.0 / 3, 1, 1, 0.5]) { #expect(abs(said - right) < 1e-12) }
    for column in 0..<64 { keys[3, column] = .infinity }
    let beside = TestSequence(
      ReferenceAttention(
        shape: Self.shape, queries: Matrix(rows: 5, columns: 384), keys: keys,
        values: Matrix(rows: 5, columns: 128))
    ).view()
    #expect(beside.keyOddness(ofKVHead: 0, side: 1) == odd)
    let sequence = TestSequence(Self.shape, tokens: 400, seed: 11)
    for side in [1, 20, 256, 1000] {
      let said = sequence.view().keyOddness(ofKVHead: 1, side: side)
      let right = oddness(sequence, kvHead: 1, side: side)
      #expect(said.count == 400 && zip(said, right).allSatisfy { abs($0 - $1) < 1e-9 })
    }
  }

  @Test(
    "A fifth of what heads of a layer keep beside what is certain is in equal parts",
    arguments: [70, 100, 130])
  func shares(tokens: Int) throws {
    func kept(_ floorFraction: Double?) throws -> [Double] {
      let session = try session {
        $0.budget = .tokens(tokens)
        if let floorFraction { $0.floorFraction = floorFraction }
      }
      TestSequence(Self.shape, tokens: 400, seed: 5).run(session, 0..<400, .prefill)
      return session.caches[0].map { Double($0.count) }
    }
    let (free, equal) = (try kept(0), try kept(1))
    #expect(free[0] + free[1] == equal[0] + equal[1] && free != equal)
    for (head, kept) in try kept(nil).enumerated() {
      #expect(abs(kept - 0.8 * free[head] - 0.2 * equal[head]) <= 1)
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
              forced: ForcedTokens(first: 4, newest: 16),
              bytes: bytes)
            #expect(plan.whole >= 1 && plan.whole <= plan.kept && plan.kept <= tokens)
            let own = plan.forcedWhole.first + plan.forcedWhole.newest
            #expect(own >= 1 && own <= plan.whole)
            #expect(plan.forced.first + plan.forced.newest <= plan.kept - plan.whole + own)
            let held = bytes.of(plan.kept, whole: plan.whole)
            #expect(held <= budget * (4 + 2 * d), "\(plan) of \(tokens) for \(budget)")
            #expect(held > budget * (4 + 2 * d) - 2 * (4 + 2 * d) - FadeBytes.group)
            #expect(plan.kept >= last)
            last = plan.kept
          }
        }
      }
    }
  }

  @Test(
    "What it says that it holds is what it holds, step by step",
    arguments: [nil, 3, 38, 90, 140, 199, 200, 230], [nil, 16, 64, 100])
  func bytesKnown(budget: Int?, localWindow: Int?) throws {
    for (prompt, whole) in [(200, 1.0 / 16), (200, 0.9), (100, 0.1), (40, 0.5)] {
      try bytesKnown(budget: budget, localWindow: localWindow, prompt: prompt, whole: whole)
    }
  }

  private func bytesKnown(budget: Int?, localWindow: Int?, prompt: Int, whole: Double) throws {
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
      let heads = session.caches[0]
      let held = Double(heads.reduce(0) { $0 + $1.logicalBytes - means }) / 2
      // Heads of unequal length may have a group of 32 more or fewer in all; what is whole alone says nothing of groups.
      let off = held - said * 132
      let ragged = heads[0].count != heads[1].count
      #expect(
        ragged ? abs(off) < 16.1 : abs(off) < 1e-6,
        "prompt \(prompt), \(whole) whole, step \(step): \(off)")
      for head in heads {
        #expect(!Set(head.coarsePositions).contains(where: { $0 < 4 }) || budget != nil)
      }
    }
  }
}
