import JSON
import Tensors
import Testing
import Threads

@testable import Attention

@Suite("What caches hold over time")
struct CacheUseTests {
  private static let prompt = 90
  private static let tokens = 130

  private struct Played {
    var use: CacheUse
    /// Logical bytes of global layers after each single step, counted from the caches.
    var counted: [Int] = []
  }

  /// All layers of a prompt, then steps of at most `size` tokens.
  private func play(_ session: AttentionSession, steps size: Int) -> Played {
    let shape = session.shape
    let sequence = TestSequence(shape, tokens: Self.tokens, seed: 8)
    let pieces = PiecewiseAttention(session)
    var counted: [Int] = []
    func run(_ range: Range<Int>, _ phase: AttentionPhase) {
      for layer in 0..<shape.layers { sequence.run(pieces, range, phase, layer: layer) }
    }
    run(0..<Self.prompt, .prefill)
    for first in stride(from: Self.prompt, to: Self.tokens, by: size) {
      run(first..<min(first + size, Self.tokens), .decode)
      counted.append(
        shape.globalLayers.reduce(0) { sum, layer in
          session.caches[layer].reduce(sum) { $0 + $1.logicalBytes }
        })
    }
    return Played(use: session.use, counted: counted)
  }

  private static let rotary = RotaryEmbedding(base: 10_000, dimensions: 16, layout: .halfSplit)

  /// A layer with a window between global ones.
  private static func shape(globals: Int) -> AttentionShape {
    let global = LayerGeometry(headDimension: 16, rotary: rotary)
    let local = LayerGeometry(headDimension: 16, rotary: rotary, window: 24)
    return AttentionShape(
      queryHeads: 6, kvHeads: 2, headDimension: 16,
      geometry: [global, local] + Array(repeating: global, count: globals - 1))
  }

  private func session(
    _ name: String, _ parameters: JSONValue, globals: Int = 1
  ) throws -> AttentionSession {
    try AttentionSession(
      name, parameters, shape: Self.shape(globals: globals), promptTokens: Self.prompt)
  }

  @Test(
    "Each step counts what the caches hold when its token attends, alone or together with others")
  func steps() throws {
    for (name, parameters) in strategiesOfEachKind {
      let single = play(try session(name, parameters), steps: 1)
      #expect(single.use.steps.count == Self.tokens - Self.prompt, "\(name)")
      #expect(single.use.steps.map(\.global.logical) == single.counted, "\(name)")
      // The window's layer holds its window and the token.
      let width = 2 * 16 * 4 * 2
      #expect(single.use.steps.allSatisfy { $0.windows.logical == 24 * width }, "\(name)")
      for size in [7, 40] {
        let together = play(try session(name, parameters), steps: size)
        #expect(
          together.use.steps.map(\.global.logical) == single.counted, "\(name), \(size) together")
        #expect(
          together.use.steps.map(\.windows) == single.use.steps.map(\.windows),
          "\(name), \(size) together")
        #expect(
          together.use.meanOfSteps(\.total.logical) == single.use.meanOfSteps(\.total.logical))
        // Pages that a window gave up and took again may differ by one.
        let page = 2 * 2 * 64 * (2 * 16 + 1) * 4
        for (a, b) in zip(together.use.steps, single.use.steps) {
          #expect(abs(a.global.resident - b.global.resident) <= page, "\(name), \(size) together")
        }
      }
    }
  }

  @Test("After the prompt, at the end and at most: the layer at work holds all of the prompt")
  func moments() throws {
    let session = try session(
      "snapkv", ["budget": ["tokens": 20], "observationWindow": 8], globals: 2)
    let use = play(session, steps: 1).use
    let token = 2 * 2 * 16 * 4  // of a layer: two KV heads, key and value
    #expect(use.afterPrompt.global.logical == 2 * 20 * token)
    #expect(use.final == use.steps.last)
    #expect(use.final.global.logical == 2 * 60 * token)
    #expect(use.meanOfSteps(\.global.logical) == Double(2 * token) * (20 + 20.5))
    // The last layer: 20 tokens of the first, the window (23 after the prompt), 90 of its own.
    #expect(use.peak.logical == max(20 + 23 + 90, 60 + 24 + 60) * token)
    #expect(CacheUse().meanOfSteps(\.global.logical) == nil)
  }

  @Test("A prompt's own peak counts where nothing later holds more")
  func promptPeak() throws {
    let session = try session(
      "snapkv", ["budget": ["tokens": 4], "observationWindow": 2], globals: 2)
    let shape = session.shape
    let sequence = TestSequence(shape, tokens: Self.tokens, seed: 8)
    for layer in 0..<shape.layers { sequence.run(session, 0..<Self.prompt, .prefill, layer: layer) }
    #expect(session.use.peak.logical == (4 + 23 + 90) * 2 * 2 * 16 * 4)
    #expect(session.use.final == session.use.afterPrompt)
  }

  @Test("A position is lost when no KV head of any global layer holds its token")
  func lostPositions() throws {
    let session = try session(
      "snapkv", ["budget": ["tokens": 20], "observationWindow": 8], globals: 2)
    _ = play(session, steps: 1)
    let held = Set([0, 2].flatMap { layer in (0..<2).flatMap { session.held($0, layer: layer) } })
    let positions = Array(0..<Self.prompt)
    let lost = Double(positions.count { !held.contains($0) }) / Double(Self.prompt)
    #expect(lost > 0 && session.shareHeldNowhere(of: positions) == lost)
    #expect(session.shareHeldNowhere(of: [Self.prompt - 1]) == 0)
    #expect(session.shareHeldNowhere(of: []) == nil)
  }

  @Test(
    "The number of tokens that a strategy says it will hold is what it holds, at every step, under every budget"
  )
  func knownCounts() throws {
    let shape = AttentionShape(
      layers: 3, queryHeads: 4, kvHeads: 2, headDimension: 16, rotary: Self.rotary)
    var known: [String] = []
    for entry in StrategyRegistry.builtIn.entries where !entry.description.hasParts {
      let evictions =
        entry.description.parameters.contains { $0.name == "evictEvery" } ? [0, 7] : [0]
      for (budget, every) in [1, 12, 61, 90, 110, 400].flatMap({ b in evictions.map { (b, $0) } }) {
        guard entry.description.budgets.contains(.meanKvBytes) else { continue }
        var parameters: [String: JSONValue] = ["budget": ["tokens": .integer(budget)]]
        if every > 0 {
          parameters["evictEvery"] = .integer(every)
          if entry.description.name == "tova" { parameters["decode"] = false }
        }
        let name = entry.description.name
        var configured = try entry.configure(.object(parameters))
        if configured.strategy.readsFuture { continue }
        configured.strategy = configured.forPrompt(of: Self.prompt, shape: shape)
        let budgeted = try #require(configured.strategy as? any Budgeted)
        // Tokens in fewer bits have tests of their own.
        guard !(budgeted is any Coarsens),
          budgeted.tokensHeld(
            atStep: 0, afterPrompt: Self.prompt, headDimension: shape.headDimension) != nil
        else { continue }
        known.append(name)
        let session = AttentionSession(
          budgeted, shape: shape, workspace: Workspace(workers: WorkerPool()))
        let sequence = TestSequence(shape, tokens: Self.tokens, seed: 5)
        for step in 0...Self.tokens - Self.prompt {
          let range = step == 0 ? 0..<Self.prompt : Self.prompt + step - 1..<Self.prompt + step
          for layer in 0..<shape.layers {
            sequence.run(session, range, step == 0 ? .prefill : .decode, layer: layer)
          }
          let held = Double(session.tokensHeld) / Double(shape.layers * shape.kvHeads)
          let said = try #require(
            budgeted.tokensHeld(
              atStep: step, afterPrompt: Self.prompt, headDimension: shape.headDimension))
          // Shares of layers and heads are rounded down.
          let slack = name == "pyramidkv" ? 1.0 : 0
          #expect(
            held <= said && held >= said - slack,
            "\(name), budget \(budget), every \(every), step \(step)")
        }
      }
    }
    #expect(
      Set(known) == [
        "streaming-llm", "snapkv", "pyramidkv", "adakv", "h2o", "tova", "keydiff", "knorm", "lagkv",
        "expected-attention", "random",
      ])
  }
}
