import Attention
import JSON
import Records
import Tensors
import Testing

@Suite("Baselines")
struct BaselineTests {
  static let prompt = 120
  static let evicting = [
    "knorm", "keydiff", "snapkv", "tova", "lagkv", "random", "expected-attention", "pyramidkv",
  ]

  // MARK: Budgets

  @Test("A cache holds its budget after the prompt, whatever the windows", arguments: evicting)
  func budget(name: String) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.prompt, seed: 1)
    for tokens in [1, 2, 5, 63, 64, 65, 119, 120, 500] {
      let session = try AttentionSession(name, ["budget": ["tokens": .integer(tokens)]])
      sequence.run(session, 0..<Self.prompt, .prefill)
      for head in 0..<2 {
        #expect(session.held(head).count == min(tokens, Self.prompt), "\(tokens)")
        #expect(session.held(head).last == Self.prompt - 1)
      }
    }
  }

  @Test("Without a budget a share of the prompt stays, at least one token", arguments: evicting)
  func fraction(name: String) throws {
    for (prompt, fraction, kept) in [(120, nil, 60), (1, 0, 1), (7, 0.3, 2), (7, 0, 1), (9, 1, 9)]
      as [(Int, Double?, Int)]
    {
      let sequence = TestSequence(AttentionSessionTests.shape, tokens: prompt, seed: 1)
      let session = try AttentionSession(
        name, fraction.map { ["retainedFraction": .number($0)] } ?? [:], promptTokens: prompt)
      sequence.run(session, 0..<prompt, .prefill)
      #expect(session.held(1).count == kept, "\(prompt) \(String(describing: fraction))")
    }
  }

  @Test("The prompt is dense, and generated tokens stay unless the method evicts in decode")
  func decode() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 150, seed: 2)
    for name in Self.evicting {
      let session = try AttentionSession(name, ["budget": ["tokens": 30]])
      let dense = try AttentionSession("full")
      #expect(
        sequence.run(session, 0..<Self.prompt, .prefill)
          == sequence.run(dense, 0..<Self.prompt, .prefill))
      let after = session.held(0)
      for token in Self.prompt..<150 { sequence.run(session, token..<token + 1, .decode) }
      if name == "tova" {
        #expect(session.held(0).count == 31)
      } else {
        let expected = after + Array(Self.prompt..<150)
        #expect(session.held(0) == expected, "\(name)")
      }
    }
    let once = try AttentionSession(
      "tova", ["budget": ["tokens": 30], "decode": false])
    sequence.run(once, 0..<Self.prompt, .prefill)
    sequence.run(once, Self.prompt..<150, .decode)
    #expect(once.held(0).count == 60)
  }

  @Test("Memory falls with the tokens that leave", arguments: evicting)
  func memory(name: String) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 1000, seed: 2)
    let session = try AttentionSession(name, ["budget": ["tokens": 100]])
    sequence.run(session, 0..<1000, .prefill)
    #expect(session.logicalBytes == 2 * 100 * 2 * 16 * 4)
    #expect(session.residentBytes <= 2 * 128 * (2 * 16 + 1) * 4)
  }

  @Test("TOVA with a budget of tokens keeps to it without a prompt")
  func decodeOnly() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 40, seed: 3)
    let session = try AttentionSession("tova", ["budget": ["tokens": 8]])
    for token in 0..<40 {
      sequence.run(session, token..<token + 1, .decode)
      #expect(session.held(0).count == min(token + 1, 9))
      #expect(session.held(0) == session.held(1))
    }
  }

  @Test("Keys of length 0 and values that are all the same do no harm", arguments: evicting)
  func degenerate(name: String) throws {
    let session = try AttentionSession(
      name, name == "lagkv" ? ["lag": 8] : [:])
    let zeros = Matrix(rows: 64, columns: 32)
    var output = Matrix(rows: 64, columns: 96)
    session.attend(
      layer: 0, phase: .prefill, queries: Matrix(rows: 64, columns: 96), keys: zeros,
      values: zeros, firstPosition: 0, output: &output)
    #expect(session.held(0).count == 32)
    // All scores are equal: the earliest stay, and what is forced.
    if ["knorm", "keydiff", "tova"].contains(name) {
      let expected = Array(0..<31) + [63]
      #expect(session.held(0) == expected)
    }
  }

  @Test("Budgets that set nothing, and sizes out of range, are refused by name")
  func refused() {
    var bad: [(name: String, parameter: String, parameters: JSONValue)] = [
      ("snapkv", "observationWindow", ["observationWindow": 0]),
      ("snapkv", "kernel", ["kernel": 0]),
      ("snapkv", "pooling", ["pooling": "sum"]),
      ("pyramidkv", "observationWindow", ["observationWindow": 0]),
      ("pyramidkv", "steepness", ["steepness": 0]),
      ("adakv", "kernel", ["kernel": 0]),
      ("adakv", "floorFraction", ["floorFraction": 1.1]),
      ("adakv", "allocation", ["allocation": "even"]),
      ("h2o", "heavyFraction", ["heavyFraction": -0.1]),
      ("h2o", "recentFraction", ["recentFraction": 1.1]),
      ("h2o", "budget", ["budget": ["density": 0.4]]),
      ("h2o", "budget", ["budget": ["mass": 0.4]]),
      ("lagkv", "lag", ["lag": 0]), ("lagkv", "sinks", ["sinks": -1]),
      ("random", "sinks", ["sinks": -1]),
      ("random", "seed", ["seed": -1]),
      ("expected-attention", "sinks", ["sinks": -1]),
      ("expected-attention", "futurePositions", ["futurePositions": 0]),
      ("expected-attention", "epsilon", ["epsilon": -0.1]),
      ("a-shape", "localWindow", ["localWindow": 0]),
      ("a-shape", "budget", ["budget": ["mass": 0.5]]),
      ("tri-shape", "lastQueries", ["lastQueries": 0]),
      ("quest", "pageSize", ["pageSize": 0]),
      ("quest", "budget", ["budget": ["mass": 0.5]]),
      ("quest", "budget", ["budget": ["density": 0.5]]),
    ]
    for name in Self.evicting {
      bad += [
        (name, "budget", ["budget": ["density": 0.4]]),
        (name, "budget", ["budget": ["mass": 0.4]]),
        (name, "retainedFraction", ["retainedFraction": 1.5]),
      ]
    }
    for (name, parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self, "\(parameters.canonicalText)") {
        try AttentionSession(name, parameters)
      }
      #expect(error?.parameter == parameter, "\(parameters.canonicalText)")
    }
  }

  // MARK: Shared budgets

  @Test("PyramidKV's layers fall evenly and hold the budget on average, from any budget")
  func pyramid() throws {
    let layers = 7
    let shape = AttentionShape(layers: layers, queryHeads: 6, kvHeads: 2, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 8)
    for tokens in [1, 8, 9, 20, 33, 64, 65, 80, 119, 120, 1 << 30] {
      let session = try AttentionSession(
        "pyramidkv",
        ["observationWindow": 8, "budget": ["tokens": .integer(tokens)]], shape: shape)
      for layer in 0..<layers { sequence.run(session, 0..<Self.prompt, .prefill, layer: layer) }
      let held = (0..<layers).map { session.held(0, layer: $0).count }
      let mean = Double(held.reduce(0, +)) / Double(layers)
      let budget = Double(min(tokens, Self.prompt))
      // Each layer is rounded down.
      #expect(mean <= budget && mean > budget - 1, "\(tokens): \(held)")
      let steps = zip(held, held.dropFirst()).map { $0 - $1 }
      #expect((steps.max() ?? 0) - (steps.min() ?? 0) <= 1, "\(tokens): \(held)")
      #expect((steps.min() ?? 0) >= 0)
      // (C − w) / 20 in the last layer, unless the first would have more than there is.
      if tokens == 33 { #expect(held.last == 9 && held.first == 57) }
    }
  }

  @Test(
    "AdaKV shares a layer's budget exactly, keeps its floor and its window, and at a floor of 1 is SnapKV",
    arguments: ["protected", "mixed"])
  func ada(allocation: String) throws {
    let shape = AttentionShape(layers: 1, queryHeads: 6, kvHeads: 3, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 8)
    var areRagged = false
    for tokens in [1, 7, 8, 9, 40, 41, 119, 120, 1 << 30] {
      for (floor, normalize) in [(0, false), (0.3, true), (0.8, false), (1, false)] {
        let parameters: [String: JSONValue] = [
          "observationWindow": 8, "budget": ["tokens": .integer(tokens)],
        ]
        let session = try AttentionSession(
          "adakv",
          .object(
            parameters.merging([
              "allocation": .string(allocation), "floorFraction": .number(floor),
              "normalize": .boolean(normalize),
            ]) { $1 }), shape: shape)
        let output = sequence.run(session, 0..<Self.prompt, .prefill)
        let held = (0..<3).map { session.held($0) }
        let budget = min(tokens, Self.prompt)
        #expect(held.reduce(0) { $0 + $1.count } == 3 * budget, "\(tokens) \(floor)")
        for head in held {
          #expect(head.count >= Int(floor * Double(budget)))
          #expect(head.suffix(min(8, budget)) == Array(0..<Self.prompt).suffix(min(8, budget)))
        }
        if Set(held.map(\.count)).count > 1 { areRagged = true }
        // Memory goes by what each head holds.
        #expect(session.logicalBytes == 3 * budget * 2 * 16 * 4)
        guard floor == 1 else { continue }
        let snap = try AttentionSession("snapkv", .object(parameters), shape: shape)
        #expect(sequence.run(snap, 0..<Self.prompt, .prefill) == output)
        #expect((0..<3).map { snap.held($0) } == held)
      }
    }
    #expect(areRagged)
  }

  @Test("H2O holds its budget at every step, from a prompt, from a share of one, and without one")
  func heavyHitters() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 150, seed: 8)
    for (parameters, held) in [
      (["budget": ["tokens": 30]], 30), (["budget": ["tokens": 1]], 1),
      (["heavyFraction": 0.25, "recentFraction": 0.05], 36), ([:], 24),
    ] as [(JSONValue, Int)] {
      let session = try AttentionSession("h2o", parameters)
      let dense = try AttentionSession("full")
      #expect(
        sequence.run(session, 0..<Self.prompt, .prefill)
          == sequence.run(dense, 0..<Self.prompt, .prefill))
      #expect(session.held(0).count == held)
      for token in Self.prompt..<150 { sequence.run(session, token..<token + 1, .decode) }
      #expect(session.held(0).count == held + 1 && session.held(1).count == held + 1)
    }
    let session = try AttentionSession("h2o", ["budget": ["tokens": 8]])
    for token in 0..<40 {
      sequence.run(session, token..<token + 1, .decode)
      #expect(session.held(0).count == min(token + 1, 9))
    }
  }

  // MARK: Random

  @Test("Random keeps sinks, other tokens in each head and for each seed, each equally often")
  func random() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 100, seed: 1)
    func held(_ parameters: JSONValue) throws -> [[Int]] {
      let session = try AttentionSession("random", parameters)
      sequence.run(session, 0..<100, .prefill)
      return [session.held(0), session.held(1)]
    }
    let first = try held(["seed": 1])
    #expect(try held(["seed": 1]) == first)
    #expect(first[0] != first[1] && first[0].starts(with: 0..<4))
    #expect(try held(["seed": 2]) != first)
    var counts = [Int](repeating: 0, count: 100)
    for seed in 0..<100 {
      let parameters: JSONValue = ["seed": .integer(seed), "sinks": 0]
      for head in try held(parameters) { for token in head { counts[token] += 1 } }
    }
    // 49 of 99 tokens, 200 draws: mean 99, deviation 7.
    #expect(counts[99] == 200)
    #expect(counts.dropLast().allSatisfy { (60...140).contains($0) })
  }

  // MARK: Patterns of the prompt

  @Test(
    "A-shape attends to first and recent tokens, tri-shape's last queries to all, and decode is dense",
    arguments: [(4, 20, 10), (0, 1, 1), (3, 500, 7), (200, 7, 300)])
  func shapes(first: Int, recent: Int, last: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 130, seed: 5)
    let sizes: [String: JSONValue] = [
      "initialTokens": .integer(first), "localWindow": .integer(recent),
    ]
    let a = try AttentionSession("a-shape", .object(sizes))
    let tri = try AttentionSession(
      "tri-shape",
      .object(sizes.merging(["lastQueries": .integer(last)]) { _, new in new }))
    for (session, dense) in [(a, 0), (tri, last)] {
      let (output, outcome) = sequence.attend(session, 0..<Self.prompt, .prefill)
      var pairs = 0
      for query in 0..<Self.prompt {
        let attended = (0...query).filter {
          $0 < first || $0 > query - recent || query >= Self.prompt - dense
        }
        pairs += attended.count
        for head in 0..<6 {
          let expected = sequence.attention.attend(head: head, query: query, to: attended).output
          for i in 0..<16 {
            #expect(abs(Double(output[query, head * 16 + i]) - expected[i]) < 1e-5)
          }
        }
      }
      #expect(outcome.pairs.allSatisfy { $0.nominal == pairs })
      let step = sequence.run(session, Self.prompt..<130, .decode)
      let full = try AttentionSession("full")
      sequence.run(full, 0..<Self.prompt, .prefill)
      #expect(step == sequence.run(full, Self.prompt..<130, .decode))
    }
  }

  @Test("A-shape's budget is shared 128 : 3968 and bounds what a query attends to")
  func shapeBudget() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 120, seed: 5)
    for (tokens, first) in [(1, 0), (31, 0), (32, 1), (64, 2), (120, 3)] {
      let session = try AttentionSession(
        "a-shape", ["budget": ["tokens": .integer(tokens)]])
      let log = SelectionLog(session)
      sequence.run(session, 0..<120, .prefill)
      #expect(log.last[0].attendedCount(fromQuery: 119) == tokens)
      #expect(log.last[0].runTokenCount == first)
    }
    let session = try AttentionSession(
      "a-shape", ["budget": ["density": 0.5]], promptTokens: 120)
    let outcome = sequence.attend(session, 0..<120, .prefill).outcome
    let density = Double(outcome.pairs[0].nominal) / (120 * 121 / 2)
    #expect(density <= 0.5 && density > 0.48)
  }

  // MARK: Quest

  @Test("Quest leaves the first layers dense where there are more, and takes three pages at least")
  func questLayers() throws {
    for (layers, dense, isSparse) in [
      (3, 2, [false, false, true]), (2, 2, [true, true]), (2, 0, [true, true]), (1, 2, [true]),
    ] {
      let shape = AttentionShape(layers: layers, queryHeads: 6, kvHeads: 2, headDimension: 16)
      let sequence = TestSequence(shape, tokens: 101, seed: 6)
      let session = try AttentionSession(
        "quest", ["tokenBudget": 16, "denseLayers": .integer(dense)], shape: shape)
      for layer in 0..<layers { sequence.run(session, 0..<100, .prefill, layer: layer) }
      for layer in 0..<layers {
        let outcome = sequence.attend(session, 100..<101, .decode, layer: layer).outcome
        // Two pages of 16 and the current one, which begins at 96.
        #expect(outcome.pairs[0].nominal == (isSparse[layer] ? 37 : 101))
      }
    }
  }

  @Test("A budget smaller than a page is a window", arguments: [1, 2, 15])
  func questWindow(tokens: Int) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 50, seed: 6)
    let session = try AttentionSession(
      "quest", ["budget": ["tokens": .integer(tokens)]])
    sequence.run(session, 0..<48, .prefill)
    for token in 48..<50 {
      let outcome = sequence.attend(session, token..<token + 1, .decode).outcome
      #expect(outcome.pairs.allSatisfy { $0.nominal == tokens })
    }
  }
}
