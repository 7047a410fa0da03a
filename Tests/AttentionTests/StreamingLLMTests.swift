import Attention
import Kernels
import Records
import Tensors
import Testing

@Suite("StreamingLLM")
struct StreamingLLMTests {
  static let tokens = 140
  static let prompt = 100

  @Test(
    "Every query attends to the sinks and the newest tokens, and the cache holds them",
    arguments: [(4, 20), (0, 1), (1, 1), (3, 500), (200, 7)])
  func attendsAndHolds(sinks: Int, window: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.tokens, seed: sinks)
    let session = try AttentionSessionTests.session(
      "streaming-llm", ["sinks": .integer(sinks), "localWindow": .integer(window)])
    func attended(_ query: Int) -> [Int] {
      (0...query).filter { $0 < sinks || $0 > query - window }
    }
    let output = sequence.run(session, 0..<Self.prompt, .prefill)
    for head in 0..<6 {
      #expect(
        session.pairs[head].nominal
          == (0..<Self.prompt).reduce(0) { $0 + attended($1).count })
      for query in 0..<Self.prompt {
        Self.expect(output, row: query, head, query, attended(query), sequence)
      }
    }
    #expect(session.held(1) == attended(Self.prompt - 1))
    for query in Self.prompt..<Self.tokens {
      let output = sequence.run(session, query..<query + 1, .decode)
      for head in 0..<6 {
        #expect(session.pairs[head].nominal == attended(query).count)
        Self.expect(output, row: 0, head, query, attended(query), sequence)
      }
      // What the last query saw, and the new token.
      #expect(session.held(0) == Array(Set(attended(query - 1) + [query])).sorted())
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
    "A budget of tokens is what the cache holds after the prompt", arguments: [1, 2, 4, 5, 60, 100])
  func tokenBudget(budget: Int) throws {
    let session = try AttentionSessionTests.session(
      "streaming-llm", ["budget": ["tokens": .integer(budget)]])
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 100, seed: 1)
    sequence.run(session, 0..<100, .prefill)
    // Sinks come first; the current token stays in any case.
    let sinks = min(4, budget - 1)
    #expect(session.held(0) == Array(0..<sinks) + Array(100 - (budget - sinks)..<100))
  }

  @Test(
    "A density is reached as closely from below as whole tokens allow",
    arguments: [0.02, 0.05, 0.1, 0.4, 0.9, 1])
  func density(_ density: Double) throws {
    let session = try AttentionSessionTests.session(
      "streaming-llm",
      ["budget": ["density": .number(density), "promptTokens": .integer(Self.prompt)]])
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.prompt, seed: 1)
    sequence.run(session, 0..<Self.prompt, .prefill)
    let n = Self.prompt
    let causal = Double(n * (n + 1) / 2)
    let reached = Double(session.pairs[0].nominal) / causal
    #expect(reached <= density)
    // One token more for every query would be too many.
    #expect(density == 1 || reached + Double(n) / causal > density)
  }

  @Test("With prefill false the prompt is dense and the cache is cut all the same")
  func densePrompt() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.prompt, seed: 3)
    let session = try AttentionSessionTests.session(
      "streaming-llm", ["sinks": 4, "localWindow": 16, "prefill": false])
    let dense = try AttentionSessionTests.session("full")
    #expect(
      sequence.run(session, 0..<Self.prompt, .prefill)
        == sequence.run(dense, 0..<Self.prompt, .prefill))
    #expect(session.held(0) == Array(0..<4) + Array(84..<100))
  }

  @Test("Steps together give what they give one by one", arguments: [3, 64])
  func together(count: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.tokens, seed: 4)
    let parameters: [String: JSONValue] = ["sinks": 2, "localWindow": 9]
    let single = try AttentionSessionTests.session("streaming-llm", parameters)
    let several = try AttentionSessionTests.session("streaming-llm", parameters)
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

  @Test("A budget of attention mass and sizes out of range are refused by name")
  func refused() {
    let bad: [(String, [String: JSONValue])] = [
      ("budget", ["budget": ["mass": 0.9]]), ("sinks", ["sinks": -1]),
      ("localWindow", ["localWindow": 0]),
    ]
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self) {
        try AttentionSessionTests.session("streaming-llm", parameters)
      }
      #expect(error?.parameter == parameter)
    }
  }

  @Test("The largest sizes there are do no harm")
  func hugeSizes() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 20, seed: 4)
    let session = try AttentionSessionTests.session(
      "streaming-llm", ["sinks": .integer(.max), "localWindow": .integer(.max)])
    sequence.run(session, 0..<19, .prefill)
    sequence.run(session, 19..<20, .decode)
    #expect(session.held(0) == Array(0..<20))
  }
}
