import Attention
import JSON
import Records
import Tensors
import Testing

@Suite("Composed strategies")
struct ComposedStrategyTests {
  private static let shape = AttentionSessionTests.shape

  private static func part(_ name: String, _ parameters: JSONValue = [:]) -> JSONValue {
    .object((parameters.objectValue ?? [:]).merging(["name": .string(name)]) { $1 })
  }

  /// Everything that a run gives: outputs of the prompt and of each step, and what is held at the end.
  private struct Run: Equatable {
    var outputs: [Matrix] = []
    var afterPrompt: [[Int]] = []
    var held: [[Int]] = []
    var attended: [[Int]] = []
  }

  private static func run(
    _ name: String, _ parameters: JSONValue, prompt: Int = 100, tokens: Int = 140,
    together: Int = 4
  ) throws -> Run {
    let session = try AttentionSession(name, parameters, promptTokens: prompt)
    let sequence = TestSequence(shape, tokens: tokens, seed: 5)
    if session.readsFuture {
      let recorder = FutureRecorder(try AttentionSession("full"))
      sequence.run(recorder, 0..<prompt, .prefill)
      sequence.run(recorder, prompt..<tokens, .decode)
      session.foresee(recorder.future)
    }
    var run = Run()
    run.outputs.append(sequence.run(session, 0..<prompt, .prefill))
    run.afterPrompt = [session.held(0), session.held(1)]
    var position = prompt
    while position < tokens {
      let count = min(session.queriesDecodedTogether(from: position), tokens - position, together)
      let step = sequence.attend(session, position..<position + count, .decode)
      run.outputs.append(step.output)
      run.attended.append(step.outcome.pairs.map(\.nominal))
      position += count
    }
    run.held = [session.held(0), session.held(1)]
    return run
  }

  /// Sizes that bind on 100 tokens.
  private static let small: [String: JSONValue] = [
    "tca": AttentionSessionTests.tca, "streaming-llm": ["localWindow": 20],
    "a-shape": ["initialTokens": 5, "localWindow": 12],
    "tri-shape": ["initialTokens": 5, "localWindow": 12, "lastQueries": 9],
    "tca-plus": [
      "localWindow": 8, "importanceQueries": 16, "denseQueries": 10, "heads": [3, 3, 3, 6, 6, 6],
    ],
    "duo-attention": ["heads": [0, 1], "sinks": 4, "localWindow": 12],
    "quest": ["pageSize": 4, "budget": ["tokens": 16]], "lagkv": ["lag": 16],
    "snapkv": ["observationWindow": 8], "expected-attention": ["futureQueries": 16],
  ]

  @Test(
    "A strategy in each of its own phases does, to the last bit, what it does alone",
    arguments: StrategyRegistry.builtIn.descriptions.filter { !$0.phases.isEmpty && !$0.hasParts }
      .map(\.name))
  func itself(name: String) throws {
    let description = try #require(StrategyRegistry.builtIn.entry(named: name)).description
    // Only what this strategy knows of the small sizes.
    let known = description.parameters.map(\.name) + ["budget"]
    let parameters = JSONValue.object(
      (Self.small[name]?.objectValue ?? [:]).filter { known.contains($0.key) })
    let value = Self.part(name, parameters)
    let phases = Dictionary(
      uniqueKeysWithValues: description.phases.map { ($0.rawValue, value) })
    // One by one: what has left a window leaves the cache at the next retention, sooner in steps of one.
    let alone = try Self.run(name, parameters, together: 1)
    let composed = try Self.run("composed", .object(phases), together: 1)
    #expect(composed == alone)
  }

  @Test("Cache-relative positions are refused in a part that attends, not in one that retains")
  func cacheRelative() throws {
    let shape = AttentionShape(
      layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16,
      rotary: RotaryEmbedding(base: 10_000, dimensions: 16, layout: .interleaved))
    let part = Self.part("streaming-llm", ["positions": "cacheRelative"])
    for phase in ["prefill", "decode"] {
      let error = #expect(throws: ConfigurationError.self) {
        try AttentionSession("composed", .object([phase: part]), shape: shape)
      }
      #expect(error?.parameter == phase)
    }
    _ = try AttentionSession("composed", ["retention": part], shape: shape)
  }

  @Test("Each part acts in its own phase only")
  func phases() throws {
    let snapkv = Self.part("snapkv", ["observationWindow": 8, "budget": ["tokens": 30]])
    let window = Self.part("streaming-llm", ["localWindow": 12])
    let composed = try Self.run("composed", ["prefill": window, "retention": snapkv])
    let streaming = try Self.run("streaming-llm", ["localWindow": 12])
    let evicting = try Self.run(
      "snapkv", ["observationWindow": 8, "budget": ["tokens": 30]])
    #expect(composed.outputs[0] == streaming.outputs[0])
    #expect(composed.held == evicting.held && evicting.held[0].count == 70)
    // The window of the prompt is none of the decode queries'.
    #expect(composed.outputs.dropFirst() == evicting.outputs.dropFirst())
  }

  @Test("Quest's pages are of the tokens that another part left, its bounds work for them")
  func questAmongHeld() throws {
    let snapkv = Self.part("snapkv", ["observationWindow": 8, "budget": ["tokens": 40]])
    let everything = Self.part("quest", ["pageSize": 4, "budget": ["tokens": 4000]])
    let dense = try Self.run("composed", ["retention": snapkv])
    let all = try Self.run("composed", ["retention": snapkv, "decode": everything])
    #expect(
      AttentionSessionTests.largest(
        all.outputs.flatMap(\.elements), dense.outputs.flatMap(\.elements)) <= 1e-5)
    let some = try Self.run(
      "composed",
      [
        "retention": snapkv,
        "decode": Self.part("quest", ["pageSize": 4, "budget": ["tokens": 16]]),
      ]
    )
    // 40 tokens held and more to come; four pages of 4, the last one perhaps begun only.
    for (step, counts) in some.attended.enumerated() {
      let begun = (40 + step) % 4 + 1
      #expect(counts.allSatisfy { $0 == 12 + begun }, "step \(step): \(counts)")
    }
    // Evicting a token a step moves every page: the bounds are worked out anew.
    let moving = try Self.run(
      "composed",
      [
        "retention": Self.part("tova", ["budget": ["tokens": 40]]),
        "decode": Self.part("quest", ["pageSize": 4, "budget": ["tokens": 16]]),
      ])
    #expect(moving.held.allSatisfy { $0.count == 41 })
    #expect(moving.attended.allSatisfy { $0.allSatisfy { $0 <= 16 } })
  }

  @Test("TCA thins what another part left of a block")
  func tcaAmongHeld() throws {
    let run = try Self.run(
      "composed",
      [
        "retention": Self.part("knorm", ["budget": ["tokens": 50]]),
        "decode": Self.part("tca", AttentionSessionTests.tca),
      ])
    #expect(run.held.allSatisfy { $0.count == 90 })
    #expect(run.attended.allSatisfy { $0.allSatisfy { $0 <= 4 * 90 } })
  }

  @Test("Decode steps are taken together up to the next eviction and no further")
  func together() throws {
    func together(_ parameters: JSONValue, from position: Int) throws -> Int {
      try AttentionSession("composed", parameters).queriesDecodedTogether(from: position)
    }
    let tca = Self.part("tca", AttentionSessionTests.tca)
    #expect(try together(["retention": tca], from: 100) == 12)
    #expect(try together(["decode": tca], from: 100) == 12)
    #expect(try together(["prefill": tca], from: 100) > 100)
    // Alone it hides what is about to leave; as the retention part of another it cannot.
    let streaming = Self.part("streaming-llm", ["localWindow": 20])
    #expect(try together(["retention": streaming], from: 100) == 1)
    #expect(try together(["decode": streaming], from: 100) > 1)
    #expect(try together(["retention": Self.part("snapkv")], from: 100) > 100)
    #expect(
      try together(["retention": Self.part("snapkv"), "decode": Self.part("quest")], from: 100)
        == 1)
  }

  @Test("Bytes of a part's state count as its own would")
  func bytes() throws {
    let parameters: JSONValue = ["pageSize": 16, "budget": ["tokens": 32]]
    let quest = try AttentionSession("quest", parameters)
    let composed = try AttentionSession(
      "composed", ["decode": Self.part("quest", parameters)])
    let sequence = TestSequence(Self.shape, tokens: 100, seed: 1)
    sequence.run(quest, 0..<100, .prefill)
    sequence.run(composed, 0..<100, .prefill)
    // 7 pages, 2 KV heads, a smallest and a largest value of 16 channels.
    #expect(quest.stateBytes == 7 * 2 * 2 * 16 * 4)
    #expect(composed.stateBytes == quest.stateBytes)
    #expect(
      quest.residentBytes == quest.stateBytes
        + quest.caches[0].reduce(0) { $0 + $1.allocatedBytes })
  }

  private static let refusals: [(parameter: String, parameters: JSONValue)] = [
    ("prefill", .object([:])), ("prefill", ["prefill": .null]),
    ("prefill", ["prefill": ["name": "snapkv"]]), ("decode", ["decode": ["name": "full"]]),
    ("retention", ["retention": ["name": "composed"]]),
    ("retention", ["retention": ["name": "snap"]]), ("retention", ["retention": "snapkv"]),
    ("retention.kernel", ["retention": ["name": "snapkv", "kernel": 0]]),
    ("prefill.heads", ["prefill": ["name": "tca"]]),
  ]

  @Test("What is no composition is refused, the part named", arguments: refusals)
  func refused(parameter: String, parameters: JSONValue) {
    let error = #expect(throws: ConfigurationError.self) {
      try AttentionSession("composed", parameters, shape: Self.shape)
    }
    #expect(error?.parameter == parameter, "\(error.map(String.init(describing:)) ?? "")")
  }

  @Test("A composition says of itself what its parts make of it")
  func description() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "composed"))
    let causal = try entry.configure(
      ["prefill": ["name": "streaming-llm"], "retention": ["name": "tca"]]
    ).description
    #expect(causal.phases == [.prefill, .retention] && !causal.selectionLooksAhead)
    let ahead = try entry.configure(["prefill": ["name": "tca"]]).description
    #expect(ahead.phases == [.prefill] && ahead.selectionLooksAhead)
    let off = try entry.configure(["prefill": ["name": "tca", "prefill": false]]).description
    #expect(!off.selectionLooksAhead)
  }
}

extension AttentionSessionTests {
  static func largest(_ a: [Float], _ b: [Float]) -> Float {
    a.count == b.count ? zip(a, b).reduce(0) { max($0, abs($1.0 - $1.1)) } : .infinity
  }
}
