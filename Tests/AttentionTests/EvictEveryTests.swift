import Foundation
import JSON
import Records
import Tensors
import Testing
import Threads

@testable import Attention

@Suite("Evicting again while decoding")
struct EvictEveryTests {
  private static let shape = AttentionSessionTests.shape
  private static let prompt = 60
  private static let tokens = 100

  private static var scorers: [StrategyEntry] {
    StrategyRegistry.builtIn.entries.filter { entry in
      entry.description.parameters.contains { $0.name == "evictEvery" }
    }
  }

  private static func session(
    _ name: String, _ parameters: [String: JSONValue], budget: Int
  ) throws -> AttentionSession {
    var parameters = parameters
    parameters["budget"] = ["tokens": .integer(budget)]
    if name == "tova" { parameters["decode"] = false }
    return try AttentionSession(
      name, .object(parameters), shape: shape, promptTokens: prompt)
  }

  @Test("Every scorer has it; 0, the default, leaves what is generated alone")
  func allScorers() throws {
    #expect(
      Self.scorers.map(\.description.name).sorted() == [
        "adakv", "expected-attention", "keydiff", "knorm", "lagkv", "pyramidkv", "random", "snapkv",
        "tova",
      ])
    for entry in Self.scorers {
      let name = entry.description.name
      let session = try Self.session(name, [:], budget: 20)
      let sequence = TestSequence(Self.shape, tokens: Self.tokens, seed: 2)
      sequence.run(session, 0..<Self.prompt, .prefill)
      let kept = session.held(0)
      sequence.run(session, Self.prompt..<Self.tokens, .decode)
      #expect(session.held(0) == kept + Array(Self.prompt..<Self.tokens), "\(name)")
    }
  }

  @Test(
    "After every N decoded tokens a cache is cut back to its budget, and the N stay",
    arguments: [1, 4, 9])
  func cuts(every: Int) throws {
    for entry in Self.scorers {
      let name = entry.description.name
      let budget = 20
      let session = try Self.session(name, ["evictEvery": .integer(every)], budget: budget)
      let sequence = TestSequence(Self.shape, tokens: Self.tokens, seed: 2)
      sequence.run(session, 0..<Self.prompt, .prefill)
      for position in Self.prompt..<Self.tokens {
        let before = (0..<2).map { session.held($0) }
        #expect(
          session.queriesDecodedTogether(from: position)
            == every - (position - Self.prompt) % every, "\(name)")
        sequence.run(session, position..<position + 1, .decode)
        let decoded = position - Self.prompt
        let isCut = decoded > 0 && decoded % every == 0
        let held = (0..<2).map { session.held($0) }
        #expect(
          held.reduce(0) { $0 + $1.count } == 2 * (isCut ? budget + 1 : before[0].count + 1)
            || !isCut && held == before.map { $0 + [position] }, "\(name), \(position)")
        for head in 0..<2 {
          let newest = isCut ? position - every...position : position...position
          #expect(Set(newest).isSubset(of: held[head]), "\(name), \(position)")
          #expect(Set(held[head]).isSubset(of: before[head] + [position]), "\(name)")
        }
      }
      // One by one or together, the same tokens stay.
      let together = try Self.session(name, ["evictEvery": .integer(every)], budget: budget)
      let pieces = PiecewiseAttention(together)
      sequence.run(pieces, 0..<Self.prompt, .prefill)
      sequence.run(pieces, Self.prompt..<Self.tokens, .decode)
      for head in 0..<2 { #expect(together.held(head) == session.held(head), "\(name)") }
    }
  }

  @Test("SnapKV scores anew by the attention of the queries decoded since the last cut")
  func snapKV() throws {
    let (every, budget, window) = (6, 20, 4)
    let session = try Self.session(
      "snapkv",
      [
        "evictEvery": .integer(every), "observationWindow": .integer(window), "kernel": 1,
      ], budget: budget)
    let sequence = TestSequence(Self.shape, tokens: Self.tokens, seed: 3)
    sequence.run(session, 0..<Self.prompt, .prefill)
    for position in Self.prompt..<Self.tokens {
      let decoded = position - Self.prompt
      var expected = (0..<2).map { session.held($0) }
      if decoded > 0, decoded % every == 0 {
        expected = expected.enumerated().map { kvHead, held in
          // The mean softmax row of the last queries, each over the held keys that it can see.
          var scores = [Int: Double]()
          for head in Self.shape.queryHeads(of: kvHead) {
            for query in position - window..<position {
              let seen = held.filter { $0 <= query }
              let weights = seen.map {
                exp(sequence.attention.logit(head: head, query: query, key: $0))
              }
              let total = weights.reduce(0, +)
              for (key, weight) in zip(seen, weights) { scores[key, default: 0] += weight / total }
            }
          }
          let newest = held.suffix(every)
          let others = held.dropLast(every).sorted { (scores[$0] ?? 0) > (scores[$1] ?? 0) }
          return (others.prefix(budget - every) + newest).sorted()
        }
      }
      sequence.run(session, position..<position + 1, .decode)
      for head in 0..<2 {
        #expect(session.held(head) == expected[head] + [position], "KV head \(head), \(position)")
      }
    }
    // Queries that are kept for it count as part of the cache, all but the newest.
    let columns = Self.shape.queryColumns
    #expect(session.stateBytes == (window - 1) * columns * 4)
  }

  @Test(
    "Layers that Knorm skips are never cut; the others are, to what these leave of the budget",
    arguments: [30, 60, 70])
  func skippedLayers(budget: Int) throws {
    let shape = AttentionShape(layers: 3, queryHeads: 6, kvHeads: 2, headDimension: 16)
    let session = try AttentionSession(
      "knorm",
      ["skippedLayers": 1, "evictEvery": 8, "budget": ["tokens": .integer(budget)]],
      shape: shape, promptTokens: Self.prompt)
    let sequence = TestSequence(shape, tokens: Self.tokens, seed: 2)
    for layer in 0..<3 {
      sequence.run(session, 0..<Self.prompt, .prefill, layer: layer)
      for position in Self.prompt..<Self.tokens {
        sequence.run(session, position..<position + 1, .decode, layer: layer)
      }
    }
    let rest = budget < Self.prompt ? (3 * budget - Self.prompt) / 2 : budget
    for head in 0..<2 {
      #expect(session.held(head) == Array(0..<Self.tokens))
      // The last cut was before the 33rd step.
      for layer in 1..<3 { #expect(session.held(head, layer: layer).count == rest + 8) }
    }
    // The mean depends on the number of layers, so it has to be measured.
    var strategy = ScoredRetention(Knorm { $0.skippedLayers = 1 }, budget: .tokens(budget))
    #expect(strategy.tokensHeld(atStep: 1, afterPrompt: Self.prompt, headDimension: 16) != nil)
    strategy.evictEvery = 8
    #expect(strategy.tokensHeld(atStep: 1, afterPrompt: Self.prompt, headDimension: 16) == nil)
  }

  @Test("A method with a decode rule of its own refuses it and says why")
  func refusal() throws {
    let error = #expect(throws: ConfigurationError.self) {
      try AttentionSession("tova", ["evictEvery": 8])
    }
    #expect(error?.parameter == "evictEvery")
    #expect(error?.message == "8: tova cuts its cache back by a decode rule of its own; use 0")
  }

  @Test("Recent queries come back in the order of their tokens, as many as were asked for")
  func recentQueries() {
    func matrix(_ rows: Range<Int>) -> Matrix {
      Matrix(rows: rows.count, columns: 2, elements: rows.flatMap { [Float($0), -Float($0)] })
    }
    for capacity in [1, 3, 5] {
      for sizes in [[1, 1, 1, 1, 1, 1, 1], [2, 2, 2, 1], [7], [1, 6], [4, 3]] {
        var queries = RecentQueries(capacity: capacity)
        #expect(queries.inOrder == nil && queries.bytes == 0)
        var next = 0
        for size in sizes {
          queries.append(matrix(next..<next + size))
          next += size
          #expect(queries.inOrder == matrix(max(0, next - capacity)..<next))
          #expect(queries.bytes == (min(capacity, next) - 1) * 2 * 4)
        }
      }
    }
  }
}
