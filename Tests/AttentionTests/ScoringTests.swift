import Foundation
import Kernels
import Records
import Tensors
import Testing
import Threads

@testable import Attention

@Suite("Ranks of scores")
struct ScoreRankTests {
  @Test("Indices beyond 32 bits keep their order and come back")
  func largeIndices() {
    let indices = [0, 1, 65_536, 1 << 31, 1 << 32, (1 << 32) + 1, 1 << 40, Int.max]
    for index in indices { #expect(ScoreRank(score: -2.5, index: index).index == index) }
    let ranks = indices.map { ScoreRank(score: 1, index: $0) }
    #expect(ranks.shuffled().sorted(by: >).map(\.index) == indices)
    var front = ranks.reversed() + [ScoreRank(score: 2, index: 1 << 50)]
    front.moveLargestToFront(3)
    #expect(Set(front.prefix(3).map(\.index)) == [1 << 50, 0, 1])
  }

  @Test("Higher scores rank higher, equal ones by index, −0 as 0, NaN lowest")
  func order() {
    let scores: [Float] = [
      .infinity, 3, 1, .leastNonzeroMagnitude, 0, -0.0, -.leastNonzeroMagnitude, -1, -.infinity,
      .nan, -.nan,
    ]
    let ranks = scores.enumerated().map { ScoreRank(score: $1, index: $0) }
    #expect(ranks.shuffled().sorted(by: >).map(\.index) == Array(scores.indices))
  }
}

@Suite("Pooling of scores")
struct ScorePoolingTests {
  /// Key by key, as the definition says.
  private static func definition(_ pooling: ScorePooling, _ scores: [Float]) -> [Double] {
    scores.indices.map { key in
      let first = key - pooling.kernel / 2
      let keys = max(0, first)..<min(scores.count, first + pooling.kernel)
      switch pooling.method {
      case .average:
        return keys.reduce(0.0) { $0 + Double(scores[$1]) } / Double(pooling.kernel)
      case .maximum: return keys.reduce(-.infinity) { max($0, Double(scores[$1])) }
      }
    }
  }

  @Test(
    "Each key gets the mean, or the largest, of its neighbours, for every kernel up to 200",
    arguments: ScorePooling.Method.allCases)
  func equalsDefinition(method: ScorePooling.Method) {
    var generator = SeededGenerator(seed: 4, purpose: "pooling")
    for count in [1, 2, 3, 31, 32, 33, 64, 150, 401] {
      let scores = (0..<count).map { _ in Float(generator.normal()) }
      for kernel in 1...200 {
        let pooling = ScorePooling(method, kernel: kernel)
        // A slice, as observed windows hand over: what lies outside of it does not count.
        let found = pooling.pooled(([.infinity] + scores + [.infinity])[1...count])
        let expected = Self.definition(pooling, scores)
        #expect(found.count == count)
        if kernel <= 32 || method == .maximum {
          #expect(found == expected.map { Float($0) }, "kernel \(kernel) of \(count)")
        } else {
          // Sums of up to 200 doubles in another order: about 1e-14, then rounded to a float.
          for (a, b) in zip(found, expected) {
            #expect(abs(Double(a) - b) <= abs(b) * 1e-7 + 1e-13, "kernel \(kernel) of \(count)")
          }
        }
      }
    }
  }

  @Test("A kernel of any size reaches over all scores and no further")
  func largeKernels() {
    let scores: [Float] = [1, 2, 4]
    for kernel in [7, 33, 1000, 1 << 30] {
      let mean = ScorePooling(.average, kernel: kernel).pooled(scores[...])
      #expect(mean.allSatisfy { $0 == Float(7 / Double(kernel)) })
      #expect(ScorePooling(.maximum, kernel: kernel).pooled(scores[...]) == [4, 4, 4])
    }
    #expect(ScorePooling(.average, kernel: 9).pooled([]).isEmpty)
  }

  @Test("The work does not grow with the kernel: a million keys under one of half a million")
  func linear() {
    // Key by key these were 500 billion steps.
    let scores = (0..<1_000_000).map { Float($0 % 2) }
    let pooled = ScorePooling(.average, kernel: 500_000).pooled(scores[...])
    #expect(pooled[250_000...750_000].allSatisfy { $0 == 0.5 })
    #expect(pooled[0] == 0.25)
  }
}

/// Scorers that break the contract, or use it in their own way.
private struct Handmade: Scorer {
  static let about = StrategyFacts("handmade", "A test's own.", .own, source: "a test")

  @Parameter("scores too many, or too few", -100...100) var surplus = 0
  @Parameter("tokens kept beside what is asked for", -1000...1000) var extra = 0
  @Parameter("shares too many", -1...1) var shares = 0
  @Parameter("first tokens that are forced", -10...10) var first = 0
  @Parameter("whether heads rank together") var ranksTogether = false

  var ranking: ScoreRanking { ranksTogether ? .layerMean : .perKVHead }

  func forcedTokens(of count: Int) -> ForcedTokens { ForcedTokens(first: first) }

  func capacity(mean: Int, ofPrompt count: Int, layer: LayerView) -> Int { mean + extra }

  func shares(of capacity: Int, forced: Int, _ scores: [[Float]]) -> [Int] {
    Array(repeating: capacity, count: scores.count + shares)
  }

  func scores(_ layer: LayerView, kvHead: Int) -> [Float] {
    let norms = layer.keyNorms(ofKVHead: kvHead).map { Float($0) }
    return surplus < 0
      ? Array(norms.dropLast(-surplus)) : norms + [Float](repeating: 0, count: surplus)
  }
}

@Suite("Retention by scores")
struct ScoredRetentionTests {
  private static let shape = AttentionSessionTests.shape

  private static func session(_ change: (inout Handmade) -> Void) -> AttentionSession {
    let session = AttentionSession(
      ScoredRetention(Handmade(change), budget: .tokens(30)), shape: shape,
      workspace: Workspace(workers: WorkerPool()))
    TestSequence(shape, tokens: 120, seed: 4).run(session, 0..<100, .prefill)
    return session
  }

  @Test("A wrong number of scores is said in one sentence, and nothing leaves", arguments: [-3, 2])
  func wrongCount(surplus: Int) throws {
    let session = Self.session { $0.surplus = surplus }
    let fault = try #require(session.fault)
    #expect(fault.strategy == "handmade")
    #expect(
      fault.message
        == "handmade gave \(100 + surplus) scores for the 100 tokens that KV head 0 holds; give one for each"
    )
    #expect("\(fault)".hasPrefix("handmade broke its contract: "))
    #expect(session.held(0) == Array(0..<100) && session.held(1) == Array(0..<100))
    // The sequence goes on, and the first fault is the one that is told.
    TestSequence(Self.shape, tokens: 120, seed: 4).run(session, 100..<101, .decode)
    #expect(session.fault == fault)
  }

  @Test("A wrong number of shares is said too")
  func wrongShares() throws {
    let fault = try #require(Self.session { $0.shares = 1 }.fault)
    #expect(
      fault.message
        == "handmade gave 2 KV heads the shares [30, 30, 30]; give each at least 1 token")
  }

  @Test("A scorer that keeps the contract is left alone, whatever numbers it asks for")
  func anyNumbers() {
    for (extra, first, held) in [(0, 0, 30), (-1000, 0, 1), (1000, 0, 100), (0, -5, 30)] {
      for together in [false, true] {
        let session = Self.session {
          $0.extra = extra
          $0.first = first
          $0.ranksTogether = together
        }
        #expect(session.fault == nil)
        #expect(session.held(0).count == held && session.held(1).count == held)
        #expect(session.held(0).last == 99)
      }
    }
  }

  /// A cache of some tokens of a sequence.
  private static func head(_ sequence: TestSequence, _ kvHead: Int, _ tokens: [Int]) -> KVHead {
    let head = KVHead(headDimension: shape.headDimension)
    for token in tokens {
      head.append(
        keys: TestSequence.rows(token..<token + 1, of: sequence.attention.keys),
        values: TestSequence.rows(token..<token + 1, of: sequence.attention.values),
        column: kvHead * shape.headDimension, firstPosition: token)
    }
    return head
  }

  private static func kept<Method: Scorer>(
    _ method: Method, budget: Int, _ held: [[Int]]
  ) -> [[Int]] {
    let sequence = TestSequence(shape, tokens: 60, seed: 9)
    let strategy = ScoredRetention(method, budget: .tokens(budget))
    let heads = held.enumerated().map { head(sequence, $0, $1) }
    let view = LayerView(
      layer: 0, shape: shape, phase: .decode,
      queries: TestSequence.rows(59..<60, of: sequence.attention.queries), firstQueryPosition: 59,
      heads: heads, workspace: Workspace(workers: WorkerPool()))
    var state = strategy.makeState(layer: 0, shape: shape)
    var kept = HeadSelections(heads: 2)
    strategy.selectForRetention(view, into: &kept, state: &state)
    return held.indices.map { head in
      held[head].filter { kept[head].attends(to: $0, fromQuery: 59) }
    }
  }

  @Test("Heads that hold different tokens rank each token by its mean over those that hold it")
  func meanOfRaggedHeads() {
    let held = [
      Array(stride(from: 0, through: 58, by: 2)) + [59],
      Array(stride(from: 0, through: 59, by: 3)) + [59],
    ].map { Array(Set($0)).sorted() }
    let sequence = TestSequence(Self.shape, tokens: 60, seed: 9).attention
    // The mean softmax row of a group's queries over the keys that its KV head holds.
    let rows = held.enumerated().map { kvHead, tokens -> [Int: Double] in
      var row: [Int: Double] = [:]
      for head in Self.shape.queryHeads(of: kvHead) {
        let weights = tokens.map { exp(sequence.logit(head: head, query: 59, key: $0)) }
        let total = weights.reduce(0, +)
        for (token, weight) in zip(tokens, weights) { row[token, default: 0] += weight / total / 3 }
      }
      return row
    }
    func score(_ token: Int) -> Double {
      let known = rows.compactMap { $0[token] }
      return known.reduce(0, +) / Double(known.count)
    }
    for budget in [1, 2, 8, 15] {
      let expected = held.map { tokens in
        (tokens.dropLast().sorted { score($0) > score($1) }.prefix(budget - 1) + [59]).sorted()
      }
      #expect(Self.kept(TOVA(), budget: budget, held) == expected, "\(budget)")
    }
    // A head that holds no more than the budget keeps all of it.
    let uneven = [Array(0..<60), Array(50..<60)]
    let kept = Self.kept(TOVA(), budget: 12, uneven)
    #expect(kept[0].count == 12 && kept[1] == uneven[1])
  }

  @Test("Heads that hold the same tokens keep the same ones")
  func meanOfEvenHeads() {
    let tokens = [0, 3, 4, 10, 11, 20, 21, 22, 40, 41, 58, 59]
    let kept = Self.kept(TOVA(), budget: 5, [tokens, tokens])
    #expect(kept[0].count == 5 && kept[0] == kept[1])
  }

  @Test("AdaKV shares a budget among heads that hold different numbers of tokens")
  func raggedShares() {
    let ada = AdaKV {
      $0.window.observationWindow = 1
      $0.floorFraction = 0
    }
    // Of the 10 best scores beside the newest tokens, 7 are in the longer head.
    let long: [Float] = (0..<20).map { $0 < 7 ? 9 : 0 } + [0]
    let short: [Float] = [8, 8, 8, 1, 0]
    #expect(ada.shares(of: 6, forced: 1, [short, long]) == [4, 8])
    #expect(ada.shares(of: 6, forced: 1, [long, short]) == [8, 4])
  }

  @Test(
    "Heads that trade places trade shares, also where remainders are equal",
    arguments: [0, 0.2, 1.0 / 3, 0.5])
  func shares(floorFraction: Double) {
    var generator = SeededGenerator(seed: 5, purpose: "shares")
    for mean in 1...19 {
      let scores = (0..<3).map { head in
        (0..<20).map { _ in Float(generator.unit()) * Float(head + 1) }[...]
      }
      let shares = HeadShares(
        allocation: .mixed, floorFraction: floorFraction, tiesGoByScore: true)
      let counts = shares.counts(of: mean, besideForced: 0, scores)
      #expect(counts.reduce(0, +) == 3 * mean)
      for order in [[1, 2, 0], [2, 1, 0], [1, 0, 2]] {
        #expect(
          shares.counts(of: mean, besideForced: 0, order.map { scores[$0] })
            == order.map { counts[$0] })
      }
    }
  }
}
