import Attention
import JSON
import Records
import Tensors
import Testing
import Threads

/// What each prompt query attended to.
enum PrefillWatch {
  /// By query head and query.
  static func attended(
    _ name: String, _ parameters: JSONValue, _ sequence: TestSequence, threads: Int = 1
  ) throws -> [[Set<Int>]] {
    let tokens = sequence.attention.queries.rows
    let session = try AttentionSession(
      name, parameters, shape: sequence.shape, promptTokens: tokens,
      workspace: Workspace(workers: try WorkerPool(threadCount: threads)))
    let log = SelectionLog(session)
    sequence.run(session, 0..<tokens, .prefill)
    return (0..<sequence.shape.queryHeads).map { head in
      log.blocks.flatMap { queries, selections in
        queries.map { query in
          Set((0...query).filter { selections[head].attends(to: $0, fromQuery: query) })
        }
      }
    }
  }

  static func density(_ attended: [[Set<Int>]]) -> Double {
    let tokens = attended[0].count
    let pairs = attended.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
    return Double(pairs) / Double(attended.count * tokens * (tokens + 1) / 2)
  }
}

@Suite("Prefill sparsity")
struct PrefillSparsityTests {
  static let shape = AttentionShape(layers: 1, queryHeads: 4, kvHeads: 2, headDimension: 16)

  /// Lengths with a ragged last block, a whole one, and one token more.
  static let lengths = [16, 65, 192, 193, 311]

  static func sequence(_ tokens: Int, deviation: Double = 1.3) -> TestSequence {
    TestSequence(shape, tokens: tokens, seed: tokens, deviation: deviation)
  }

  static func references(_ sequence: TestSequence) -> [ReferencePrefill] {
    (0..<shape.queryHeads).map { ReferencePrefill(attention: sequence.attention, head: $0) }
  }

  // MARK: Against the references

  @Test(
    "MInference's columns and diagonals are those of the definition, rounded to blocks as the kernel of its authors",
    arguments: lengths, [(30, 50), (40, 60), (45, 130), (100, 52)])
  func verticalSlash(tokens: Int, sizes: (Int, Int)) throws {
    let sequence = Self.sequence(tokens)
    let attended = try PrefillWatch.attended(
      "minference",
      [
        "verticals": .integer(sizes.0), "slashes": .integer(sizes.1), "blockSize": 16,
        "lastQueries": 24,
      ], sequence)
    for (head, reference) in Self.references(sequence).enumerated() {
      #expect(
        attended[head]
          == reference.verticalSlash(
            verticals: sizes.0, slashes: sizes.1, lastQueries: 24, blockSize: 16), "head \(head)")
    }
  }

  @Test("MInference's sizes are at least 30 columns and 50 diagonals, times a scale")
  func leastSizes() throws {
    let sequence = Self.sequence(193)
    func attended(_ parameters: JSONValue) throws -> [[Set<Int>]] {
      try PrefillWatch.attended("minference", parameters, sequence)
    }
    let least = try attended(["verticals": 30, "slashes": 50, "blockSize": 16])
    #expect(try attended(["verticals": 0, "slashes": 0, "blockSize": 16]) == least)
    #expect(try attended(["scale": 0, "blockSize": 16]) == least)
    #expect(
      try attended(["verticals": 90, "slashes": 130, "scale": 0.5, "blockSize": 16])
        == attended(["verticals": 45, "slashes": 65, "blockSize": 16]))
  }

  @Test("MInference's blocks are those with the largest products of means", arguments: lengths)
  func blockSparse(tokens: Int) throws {
    let sequence = Self.sequence(tokens)
    for top in [1, 3, 100] {
      let attended = try PrefillWatch.attended(
        "minference",
        ["pattern": "block-sparse", "topBlocks": .integer(top), "blockSize": 16], sequence)
      for (head, reference) in Self.references(sequence).enumerated() {
        #expect(
          attended[head] == reference.blockSparse(topBlocks: top, blockSize: 16), "head \(head)")
      }
    }
  }

  @Test("Each head of MInference may have a pattern of its own")
  func heads() throws {
    let sequence = Self.sequence(311)
    let attended = try PrefillWatch.attended(
      "minference",
      ["heads": [-1, 1, 2, 3], "topBlocks": 2, "scale": 0.07, "blockSize": 16], sequence)
    let references = Self.references(sequence)
    for query in 0..<311 {
      #expect(attended[0][query] == Set(0...query))
      #expect(attended[2][query] == Set((0...query).filter { $0 < 7 || query - $0 < 56 }))
    }
    // The repository's ratio does not reach the number of blocks.
    #expect(attended[1] == references[1].blockSparse(topBlocks: 2, blockSize: 16))
    #expect(
      attended[3]
        == references[3].verticalSlash(
          verticals: 30, slashes: 56, lastQueries: 64, blockSize: 16))
  }

  // Coverages that are no whole number of rows: rows of nearly equal weights would end at the very limit.
  @Test(
    "FlexPrefill's blocks are those of the definition, in heads of either kind",
    arguments: lengths, [0.31, 0.72, 0.93])
  func flexPrefill(tokens: Int, gamma: Double) throws {
    for deviation in [0.3, 2] {
      let sequence = Self.sequence(tokens, deviation: deviation)
      for tau in [0, 0.2, 1] {
        for minBlocks in [1, 2] {
          let attended = try PrefillWatch.attended(
            "flex-prefill",
            [
              "gamma": .number(gamma), "tau": .number(tau), "blockSize": 16,
              "minBudget": .integer(16 * minBlocks - 3),
            ], sequence)
          for (head, reference) in Self.references(sequence).enumerated() {
            let expected = reference.flexPrefill(
              gamma: gamma, tau: tau, minBlocks: minBlocks, blockSize: 16)
            let isDense = tokens <= 32
            #expect(
              attended[head]
                == (isDense ? (0..<tokens).map { Set(0...$0) } : expected.attended),
              "head \(head), τ \(tau), \(minBlocks) blocks, D \(expected.divergence)")
          }
        }
      }
    }
  }

  @Test("Random heads are query-aware or not by FlexPrefill's divergence")
  func divergence() {
    var isAware: Set<Bool> = []
    for deviation in [0.3, 2] {
      for reference in Self.references(Self.sequence(193, deviation: deviation)) {
        let found = reference.flexPrefill(gamma: 0.72, tau: 0.2, minBlocks: 1, blockSize: 16)
        isAware.insert(found.divergence < 0.2)
      }
    }
    #expect(isAware == [true, false])
  }

  @Test("FlexPrefill keeps at most maxBudget tokens of columns and diagonals")
  func maxBudget() throws {
    let sequence = Self.sequence(311)
    let attended = try PrefillWatch.attended(
      "flex-prefill",
      ["gamma": 0.99, "tau": 0, "minBudget": 0, "maxBudget": 32, "blockSize": 16], sequence)
    // Two blocks of columns and two of diagonals.
    for head in attended { #expect(head.allSatisfy { $0.count <= 64 }) }
  }

  @Test(
    "XAttention's blocks are those of the definition", arguments: lengths,
    [0, 0.2, 0.5, 0.9, 0.99])
  func xAttention(tokens: Int, threshold: Double) throws {
    let sequence = Self.sequence(tokens)
    for stride in [1, 4, 8, 16] {
      let attended = try PrefillWatch.attended(
        "xattention",
        ["threshold": .number(threshold), "stride": .integer(stride), "blockSize": 16], sequence)
      for (head, reference) in Self.references(sequence).enumerated() {
        #expect(
          attended[head]
            == reference.xAttention(stride: stride, threshold: threshold, blockSize: 16),
          "head \(head), stride \(stride)")
      }
    }
  }

  @Test("XAttention takes a threshold for each head")
  func thresholds() throws {
    let sequence = Self.sequence(193)
    let attended = try PrefillWatch.attended(
      "xattention",
      ["thresholds": [0, 0.4, 0.8, 1], "stride": 8, "blockSize": 16], sequence)
    for (head, threshold) in [0, 0.4, 0.8, 1].enumerated() {
      let reference = ReferencePrefill(attention: sequence.attention, head: head)
      #expect(
        attended[head] == reference.xAttention(stride: 8, threshold: threshold, blockSize: 16))
    }
  }

  @Test("Blocks of 128 and several pieces of antidiagonal scores give the definition's blocks")
  func longPrompt() throws {
    let sequence = TestSequence(
      AttentionShape(layers: 1, queryHeads: 1, kvHeads: 1, headDimension: 8), tokens: 1500, seed: 3)
    let reference = ReferencePrefill(attention: sequence.attention, head: 0)
    for threads in [1, 3] {
      let attended = try PrefillWatch.attended(
        "xattention", ["threshold": 0.6], sequence, threads: threads)
      #expect(attended[0] == reference.xAttention(stride: 16, threshold: 0.6, blockSize: 128))
    }
  }

  // MARK: Budgets

  private static func budgeted(
    _ name: String, _ density: Double, _ sequence: TestSequence, _ extra: [String: JSONValue] = [:]
  ) throws -> Double {
    var parameters: [String: JSONValue] = [
      "blockSize": 16, "budget": ["density": .number(density)],
    ]
    parameters.merge(extra) { $1 }
    let attended = try PrefillWatch.attended(name, .object(parameters), sequence)
    for head in attended {
      for (query, keys) in head.enumerated() where !keys.contains(query) {
        Issue.record("\(name): query \(query) does not attend to itself")
      }
    }
    return PrefillWatch.density(attended)
  }

  @Test(
    "A density is not exceeded, nearly reached, and grows with the budget",
    arguments: ["minference", "flex-prefill", "xattention"])
  func density(name: String) throws {
    let sequence = Self.sequence(720, deviation: 1)
    var last = 0.0
    for budget in [0.003, 0.01, 0.05, 0.15, 0.25, 0.4, 0.6, 0.8, 0.95] {
      let found = try Self.budgeted(name, budget, sequence)
      #expect(found <= budget && found >= last, "\(budget): \(found)")
      // The next block, row or window, of each head or of all, would exceed it.
      #expect(found > budget - 0.07 || budget < 0.1, "\(budget): \(found)")
      last = found
    }
    #expect(try Self.budgeted(name, 1, sequence) == 1)
    #expect(try Self.budgeted(name, 1.5, sequence) == 1)
    #expect(try Self.budgeted(name, 0, sequence) == 2 / 721)
  }

  @Test(
    "Heads of every pattern share one density", arguments: [[0, 1, 2, 3], [-1, 4, 5, 6]])
  func mixedDensity(heads: [Int]) throws {
    let sequence = Self.sequence(720)
    let list = JSONValue.array(heads.map(JSONValue.integer))
    for budget in [0.3, 0.5, 0.9] {
      let found = try Self.budgeted("minference", budget, sequence, ["heads": list])
      #expect(found <= budget && found > budget - 0.04, "\(budget): \(found)")
    }
  }

  @Test("A mass is the threshold of those that have one; a number of tokens is refused")
  func otherBudgets() throws {
    let sequence = Self.sequence(311)
    #expect(
      try PrefillWatch.attended(
        "xattention", ["blockSize": 16, "budget": ["mass": 0.6]], sequence)
        == PrefillWatch.attended("xattention", ["blockSize": 16, "threshold": 0.6], sequence))
    #expect(
      try PrefillWatch.attended(
        "flex-prefill", ["blockSize": 16, "budget": ["mass": 0.6]], sequence)
        == PrefillWatch.attended(
          "flex-prefill", ["blockSize": 16, "gamma": 0.6, "minBudget": 0], sequence))
  }

  @Test("Parameters out of range, and budgets that set nothing, are refused by name")
  func refused() {
    let bad: [(name: String, parameter: String, parameters: JSONValue)] = [
      ("minference", "budget", ["budget": ["tokens": 5]]),
      ("minference", "budget", ["budget": ["mass": 0.5]]),
      ("minference", "heads", ["pattern": "search"]),
      ("minference", "heads", ["heads": [1, 2]]),
      ("minference", "heads", ["heads": [1, 2, 3, 7]]),
      ("minference", "heads", ["heads": [1, 2, 3, -2]]),
      ("minference", "blockSize", ["blockSize": 0]),
      ("minference", "lastQueries", ["lastQueries": 0]),
      ("minference", "topBlocks", ["topBlocks": 0]),
      ("minference", "verticals", ["verticals": -1]),
      ("minference", "scale", ["scale": -0.5]),
      ("minference", "pattern", ["pattern": "dense"]),
      ("flex-prefill", "budget", ["budget": ["tokens": 5]]),
      ("flex-prefill", "gamma", ["gamma": 1.2]),
      ("flex-prefill", "tau", ["tau": -1]),
      ("flex-prefill", "minBudget", ["minBudget": -1]),
      ("flex-prefill", "maxBudget", ["maxBudget": 0]),
      ("flex-prefill", "maxBudget", ["maxBudget": 512]),
      ("flex-prefill", "blockSize", ["blockSize": 0]),
      ("xattention", "budget", ["budget": ["tokens": 5]]),
      ("xattention", "stride", ["stride": 12]),
      ("xattention", "stride", ["stride": 256]),
      ("xattention", "threshold", ["threshold": 2]),
      ("xattention", "thresholds", ["thresholds": [0.5]]),
      ("xattention", "thresholds", ["thresholds": [0.5, 1, 2, 0]]),
      ("xattention", "thresholds", ["calibrationCorpus": "emma"]),
    ]
    for (name, parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self, "\(parameters.canonicalText)") {
        try AttentionSession(name, parameters, shape: Self.shape)
      }
      #expect(error?.parameter == parameter, "\(parameters.canonicalText)")
    }
  }

  @Test(
    "Keys and queries that are all zero do no harm",
    arguments: ["minference", "flex-prefill", "xattention"])
  func degenerate(name: String) throws {
    for budget: JSONValue in [.null, ["density": 0.4]] {
      let session = try AttentionSession(
        name, ["blockSize": 16, "budget": budget], shape: Self.shape, promptTokens: 200)
      var output = Matrix(rows: 200, columns: 64)
      session.attend(
        layer: 0, phase: .prefill, queries: Matrix(rows: 200, columns: 64),
        keys: Matrix(rows: 200, columns: 32), values: Matrix(rows: 200, columns: 32),
        firstPosition: 0, output: &output)
      #expect(output.elements.allSatisfy { $0 == 0 })
    }
  }
}
