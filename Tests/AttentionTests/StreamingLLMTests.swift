import Attention
import Foundation
import JSON
import Records
import Tensors
import Testing

@Suite("StreamingLLM")
struct StreamingLLMTests {
  static let tokens = 140
  static let prompt = 100

  @Test(
    "Every query attends to the sinks and the newest tokens, and the cache holds these and no others",
    arguments: [(4, 20), (0, 1), (1, 1), (3, 500), (200, 7)])
  func attendsAndHolds(sinks: Int, window: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.tokens, seed: sinks)
    let session = try AttentionSession(
      "streaming-llm", ["sinks": .integer(sinks), "localWindow": .integer(window)])
    func attended(_ query: Int) -> [Int] {
      (0...query).filter { $0 < sinks || $0 > query - window }
    }
    let (output, outcome) = sequence.attend(session, 0..<Self.prompt, .prefill)
    for head in 0..<6 {
      #expect(
        outcome.pairs[head].nominal
          == (0..<Self.prompt).reduce(0) { $0 + attended($1).count })
      for query in 0..<Self.prompt {
        Self.expect(output, row: query, head, query, attended(query), sequence)
      }
    }
    // Before a query what it will see, and the newest token, which no cache drops.
    func heldBefore(_ query: Int) -> [Int] {
      Set(attended(query) + [query - 1]).subtracting([query]).sorted()
    }
    #expect(session.held(1) == heldBefore(Self.prompt))
    for query in Self.prompt..<Self.tokens {
      let (output, outcome) = sequence.attend(session, query..<query + 1, .decode)
      for head in 0..<6 {
        #expect(outcome.pairs[head].nominal == attended(query).count)
        Self.expect(output, row: 0, head, query, attended(query), sequence)
      }
      #expect(session.held(0) == heldBefore(query) + [query])
    }
  }

  private static func expect(
    _ output: Matrix, row: Int, _ head: Int, _ query: Int, _ attended: [Int],
    _ sequence: TestSequence
  ) {
    let expected = sequence.attention.attend(head: head, query: query, to: attended).output
    for i in 0..<16 {
      #expect(abs(Double(output[row, head * 16 + i]) - expected[i]) < 1e-5)
    }
  }

  @Test(
    "A budget of tokens is what the cache holds after the prompt, with the token to come",
    arguments: [1, 2, 4, 5, 6, 60, 100])
  func tokenBudget(budget: Int) throws {
    let session = try AttentionSession(
      "streaming-llm", ["budget": ["tokens": .integer(budget)]])
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 100, seed: 1)
    sequence.run(session, 0..<100, .prefill)
    // Sinks come first; the current token stays in any case.
    let sinks = min(4, budget - 1)
    let recent = max(1, budget - sinks - 1)
    #expect(session.held(0) == Array(0..<sinks) + Array(100 - recent..<100))
  }

  @Test(
    "A density is reached as closely from below as whole tokens allow",
    arguments: [0.02, 0.05, 0.1, 0.4, 0.9, 1])
  func density(_ density: Double) throws {
    let session = try AttentionSession(
      "streaming-llm",
      ["budget": ["density": .number(density)]], promptTokens: Self.prompt)
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.prompt, seed: 1)
    let outcome = sequence.attend(session, 0..<Self.prompt, .prefill).outcome
    let n = Self.prompt
    let causal = Double(n * (n + 1) / 2)
    let reached = Double(outcome.pairs[0].nominal) / causal
    #expect(reached <= density)
    // One token more for every query would be too many.
    #expect(density == 1 || reached + Double(n) / causal > density)
  }

  @Test("With prefill false the prompt is dense and the cache is cut all the same")
  func densePrompt() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.prompt, seed: 3)
    let session = try AttentionSession(
      "streaming-llm", ["sinks": 4, "localWindow": 16, "prefill": false])
    let dense = try AttentionSession("full")
    #expect(
      sequence.run(session, 0..<Self.prompt, .prefill)
        == sequence.run(dense, 0..<Self.prompt, .prefill))
    #expect(session.held(0) == Array(0..<4) + Array(85..<100))
  }

  @Test("Steps together give what they give one by one", arguments: [3, 64])
  func together(count: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.tokens, seed: 4)
    let parameters: JSONValue = ["sinks": 2, "localWindow": 9]
    let single = try AttentionSession("streaming-llm", parameters)
    let several = try AttentionSession("streaming-llm", parameters)
    sequence.run(single, 0..<50, .prefill)
    sequence.run(several, 0..<50, .prefill)
    var position = 50
    while position < Self.tokens {
      let step = position..<min(position + count, Self.tokens)
      let output = sequence.run(several, step, .decode)
      for (row, token) in step.enumerated() {
        let alone = sequence.run(single, token..<token + 1, .decode)
        // Other kernels add in another order: some units in the last place of values up to 5.
        for column in 0..<96 { #expect(abs(output[row, column] - alone[0, column]) < 5e-6) }
      }
      position = step.upperBound
    }
  }

  // MARK: Positions in the cache

  /// Keys and queries before rotation, and what the original does with them: at each step the keys that are left are
  /// turned to the positions 0, 1, … of the cache, the query to the last of them.
  private struct Unrotated {
    let rotary: RotaryEmbedding
    let sequence: TestSequence

    func turned(_ matrix: Matrix, row: Int, head: Int, to position: Int) -> [Double] {
      let d = 16
      var x = (0..<d).map { Double(matrix[row, head * d + $0]) }
      for (pair, frequency) in rotary.frequencies.enumerated() {
        let (a, b) =
          rotary.layout == .interleaved
          ? (2 * pair, 2 * pair + 1) : (pair, pair + rotary.frequencies.count)
        let (sine, cosine) = (sin(Double(position) * frequency), cos(Double(position) * frequency))
        (x[a], x[b]) = (x[a] * cosine - x[b] * sine, x[a] * sine + x[b] * cosine)
      }
      return x
    }

    /// All rows turned to their own positions, as a model hands them over.
    func rotated(_ matrix: Matrix) -> Matrix {
      var result = matrix
      for row in 0..<matrix.rows {
        for head in 0..<matrix.columns / 16 {
          for (i, value) in turned(matrix, row: row, head: head, to: row).enumerated() {
            result[row, head * 16 + i] = Float(value)
          }
        }
      }
      return result
    }

    func attend(head: Int, query: Int, to cache: [Int]) -> (output: [Double], logSumExp: Double) {
      let kvHead = head / 3
      let q = turned(sequence.attention.queries, row: query, head: head, to: cache.count - 1)
      let weights = cache.enumerated().map { slot, token in
        let k = turned(sequence.attention.keys, row: token, head: kvHead, to: slot)
        return exp(zip(q, k).reduce(0) { $0 + $1.0 * $1.1 } / 4)
      }
      let total = weights.reduce(0, +)
      let output = (0..<16).map { i in
        zip(cache, weights).reduce(0) {
          $0 + $1.1 * Double(sequence.attention.values[$1.0, kvHead * 16 + i])
        } / total
      }
      return (output, log(total))
    }
  }

  @Test(
    "cacheRelative is what turning the keys that are left to their slots in the cache gives",
    arguments: [(4, 20, true), (4, 20, false), (0, 9, true), (3, 1, true), (1, 63, false)],
    [RotaryEmbedding.Layout.interleaved, .halfSplit])
  func cacheRelative(
    sizes: (sinks: Int, window: Int, prefill: Bool), layout: RotaryEmbedding.Layout
  ) throws {
    let rotary = RotaryEmbedding(base: 100, dimensions: 16, layout: layout)
    let shape = AttentionShape(
      layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16, rotary: rotary)
    let raw = Unrotated(
      rotary: rotary,
      sequence: TestSequence(shape, tokens: Self.tokens, seed: sizes.window, deviation: 0.8))
    let queries = raw.rotated(raw.sequence.attention.queries)
    let keys = raw.rotated(raw.sequence.attention.keys)
    for steps in [1, 7] {
      let session = try AttentionSession(
        "streaming-llm",
        [
          "sinks": .integer(sizes.sinks), "localWindow": .integer(sizes.window),
          "prefill": .boolean(sizes.prefill), "positions": "cacheRelative",
        ], shape: shape)
      #expect(!session.logitsAreDense)
      var position = 0
      while position < Self.tokens {
        let range = position..<(position == 0 ? Self.prompt : min(position + steps, Self.tokens))
        var output = Matrix(rows: range.count, columns: 96)
        let outcome = session.attend(
          layer: 0, phase: position == 0 ? .prefill : .decode,
          queries: TestSequence.rows(range, of: queries),
          keys: TestSequence.rows(range, of: keys),
          values: TestSequence.rows(range, of: raw.sequence.attention.values),
          firstPosition: position, output: &output)
        for head in 0..<6 {
          var pairs = 0
          for (row, query) in range.enumerated() {
            let isDense = position == 0 && !sizes.prefill
            let cache = (0...query).filter {
              isDense || $0 < sizes.sinks || $0 > query - sizes.window
            }
            pairs += cache.count
            let expected = raw.attend(head: head, query: query, to: cache)
            for i in 0..<16 {
              #expect(abs(Double(output[row, head * 16 + i]) - expected.output[i]) < 1e-5)
            }
            let sum = Double(outcome.logSumExp[head * range.count + row])
            #expect(abs(sum - expected.logSumExp) < 1e-5)
          }
          #expect(outcome.pairs[head].nominal == pairs)
        }
        position = range.upperBound
      }
      let newest = Self.tokens - 1
      #expect(session.held(0).contains(newest))
    }
  }

  @Test(
    "Without a known rotation, and without positions that differ, the logits are the dense ones")
  func sameLogits() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.tokens, seed: 5)
    let sizes: [String: JSONValue] = ["sinks": 3, "localWindow": 12]
    let absolute = try AttentionSession("streaming-llm", .object(sizes))
    let relative = try AttentionSession(
      "streaming-llm", .object(sizes.merging(["positions": "cacheRelative"]) { $1 }))
    #expect(absolute.logitsAreDense && relative.logitsAreDense)
    #expect(
      sequence.run(absolute, 0..<Self.prompt, .prefill)
        == sequence.run(relative, 0..<Self.prompt, .prefill))
  }

  @Test("A budget of attention mass and sizes out of range are refused by name")
  func refused() {
    let bad: [(String, JSONValue)] = [
      ("budget", ["budget": ["mass": 0.9]]), ("sinks", ["sinks": -1]),
      ("localWindow", ["localWindow": 0]), ("sinks", ["sinks": .integer(.max)]),
      ("localWindow", ["localWindow": .integer(.max)]),
    ]
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self) {
        try AttentionSession("streaming-llm", parameters)
      }
      #expect(error?.parameter == parameter)
    }
  }

  @Test("The largest sizes there are do no harm")
  func hugeSizes() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 20, seed: 4)
    let session = try AttentionSession(
      "streaming-llm", ["sinks": .integer(1 << 30), "localWindow": .integer(1 << 30)])
    sequence.run(session, 0..<19, .prefill)
    sequence.run(session, 19..<20, .decode)
    #expect(session.held(0) == Array(0..<20))
  }
}
