import JSON
import Records
import Tensors
import Testing

@testable import Attention

@Suite("Shares of tokens")
struct ShareTests {
  private static let registry = StrategyRegistry.builtIn

  @Test("A share that is a whole number of tokens is that number, written as any decimal")
  func exact() {
    for denominator in 1...250 {
      for numerator in 0...denominator {
        let share = Double(numerator) / Double(denominator)
        for factor in [1, 2, 3, 7, 40, 997, 8_192] {
          let count = denominator * factor
          #expect(Share.count(share, of: count) == numerator * factor, "\(share) of \(count)")
          #expect(Share.countRoundedUp(share, of: count) == numerator * factor)
          // A product that comes out of other steps.
          #expect(Share.count(1 - (1 - share), of: count) == numerator * factor)
        }
      }
    }
  }

  @Test("A share between two numbers is rounded down, or up, and grows with fraction and count")
  func between() {
    var generator = SeededGenerator(seed: 1, purpose: "shares")
    for _ in 0..<20_000 {
      let share = generator.unit()
      let count = 1 + generator.index(below: 1_000_000)
      let product = share * Double(count)
      let found = Share.count(share, of: count)
      #expect(Double(found) <= product + 1e-5 && Double(found) > product - 1)
      let above = Share.countRoundedUp(share, of: count)
      #expect(Double(above) >= product - 1e-5 && Double(above) < product + 1)
      #expect(Share.count(share, of: count + 1) >= found)
      #expect(Share.count(min(1, share + 1e-3), of: count) >= found)
    }
    #expect(Share.count(0.29 - 1e-9, of: 100) == 28)
    #expect(Share.tokens(0, of: 100) == 1 && Share.tokens(0.29, of: 100) == 29)
  }

  @Test("The density of a number of tokens gives that number back, for any prompt")
  func densities() {
    for prompt in 1...200 {
      for tokens in 1...prompt {
        let pairs = tokens * (tokens + 1) / 2 + (prompt - tokens) * tokens
        let density = Double(pairs) / Double(prompt * (prompt + 1) / 2)
        #expect(Share.tokensSeen(density: density, promptTokens: prompt) == tokens)
        #expect(Share.pairs(density, ofPrompt: prompt) == pairs)
        #expect(Share.pairs(density, ofPrompt: prompt, heads: 6) == 6 * pairs)
      }
    }
    #expect(Share.tokensSeen(density: 0.35, promptTokens: 144) == 28)
  }

  // MARK: In strategies

  private static func held(_ name: String, _ parameters: JSONValue) throws -> [Int] {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 130, seed: 3)
    let session = try AttentionSession(name, parameters)
    if session.readsFuture {
      let recorder = FutureRecorder(try AttentionSession("full"))
      sequence.run(recorder, 0..<100, .prefill)
      sequence.run(recorder, 100..<130, .decode)
      session.foresee(recorder.future)
    }
    sequence.run(session, 0..<100, .prefill)
    return [session.held(0).count, session.held(1).count]
  }

  /// Those that keep a share of the tokens. tca-plus and fade keep the bytes of one, in two tiers.
  private static let retaining = registry.descriptions.filter {
    $0.phases.contains(.retention) && $0.budgets.contains(.fraction)
      && !["tca-plus", "fade"].contains($0.name)
  }.map(\.name)

  @Test("0.29 of 100 tokens are 29 in every strategy, however it is said", arguments: retaining)
  func fraction(name: String) throws {
    let entry = try #require(Self.registry.entry(named: name))
    let kept = try Self.held(name, ["budget": ["fraction": 0.29]])
    // Of streaming-llm's budget one is the token to come.
    let share = name == "streaming-llm" ? 28 : 29
    #expect(kept.reduce(0, +) == 2 * share)
    if name != "adakv" { #expect(kept == [share, share]) }
    if entry.description.parameters.contains(where: { $0.name == "retainedFraction" }) {
      #expect(try Self.held(name, ["retainedFraction": 0.29]) == kept)
    }
  }

  @Test("All methods that score and H2O are among those that were asked")
  func asked() {
    for description in Self.registry.descriptions
    where description.parameters.contains(where: { $0.name == "retainedFraction" }) {
      #expect(Self.retaining.contains(description.name))
    }
    #expect(Self.retaining.count >= 12 && Self.retaining.contains("h2o"))
  }

  @Test("H2O's two fractions and AdaKV's floor are rounded as budgets are")
  func parts() throws {
    #expect(try Self.held("h2o", ["heavyFraction": 0.29, "recentFraction": 0.1]) == [39, 39])
    #expect(try Self.held("h2o", ["heavyFraction": 0.1, "recentFraction": 0.29]) == [39, 39])
    // All of the best scores are in the first head: the second is left with its floor.
    let ada = AdaKV {
      $0.window.observationWindow = 8
      $0.floorFraction = 0.29
    }
    let scores = [[Float](repeating: 1, count: 200), [Float](repeating: 0, count: 200)]
    #expect(ada.shares(of: 100, forced: 8, scores) == [171, 29])
  }

  @Test(
    "A density of 0.35 lets each of 144 prompt tokens see 28",
    arguments: ["streaming-llm", "a-shape", "oracle-top-k"])
  func density(name: String) throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: 144, seed: 3)
    let session = try AttentionSession(
      name, ["budget": ["density": 0.35]], promptTokens: 144)
    let outcome = sequence.attend(session, 0..<144, .prefill).outcome
    // 0.35 · 144 · 145 / 2
    #expect(outcome.pairs.allSatisfy { $0.nominal == 3_654 })
  }

  @Test("MInference's sizes and tca-plus's pages are rounded as budgets are")
  func sizes() {
    let pattern = MInferencePattern(kind: .blockSparse, first: 100, second: 0)
    #expect(pattern.scaled(0.29).first == 29)
    #expect(TCAPlusImportance.tokens(0.07, of: 100) == 7)
    #expect(TCAPlusImportance.tokens(0.07, of: 101) == 8)
  }
}

@Suite("A budget belongs to one prompt")
struct PromptBudgetTests {
  private static let shape = AttentionSessionTests.shape

  private static func kept(_ strategy: any AttentionStrategy, prompt: Int) -> Int {
    let session = AttentionSession(strategy, shape: shape, workspace: Workspace(workers: .init()))
    TestSequence(shape, tokens: prompt, seed: 2).run(session, 0..<prompt, .prefill)
    return session.held(0).count
  }

  @Test(
    "Two fifths of 300 tokens are 120, of 900 they are 360",
    arguments: ["knorm", "snapkv", "h2o", "streaming-llm", "composed"])
  func fraction(name: String) throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    let budget: JSONValue = ["fraction": 0.4]
    let configured = try entry.configure(
      name == "composed"
        ? ["retention": ["name": "knorm", "budget": budget]] : ["budget": budget])
    for (prompt, tokens) in [(300, 120), (900, 360)] {
      let strategy = configured.forPrompt(of: prompt, shape: Self.shape)
      if name != "composed" {
        #expect((strategy as? any Budgeted)?.budget == .tokens(tokens))
      }
      // Of streaming-llm's budget one is the token to come.
      let kept = name == "streaming-llm" ? tokens - 1 : tokens
      #expect(Self.kept(strategy, prompt: prompt) == kept)
    }
  }

  @Test("A match of a mean over prompts of several lengths is the same share of each")
  func matching() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "knorm"))
    let stated: JSONValue = ["budget": ["matching": "h2o"]]
    let configured = try entry.configure(stated)
    #expect(configured.budget?.matchedName == "h2o")
    for (used, share) in [(240.0, 0.4), (174, 0.29), (1, 1.0 / 600)] {
      for prompt in [300, 900] {
        let strategy = configured.forPrompt(
          of: prompt, meanPromptTokens: 600, shape: Self.shape
        ) { use, part in
          #expect(use == .kvBytes && part == nil)
          return used
        }
        let budget = (strategy as? any Budgeted)?.budget
        #expect(budget == .tokens(Share.tokens(share, of: prompt)), "\(used) of \(prompt)")
      }
    }
    // What dropped nothing is no bound, whatever is decoded after the prompt.
    let whole = configured.forPrompt(
      of: 300, meanPromptTokens: 600, shape: Self.shape
    ) { _, _ in 600 }
    #expect((whole as? any Budgeted)?.budget == .everything)
    let density = StatedBudget.matching("a-shape", of: .density)
    let attended = ConfiguredStrategy(MInference(), budget: density).forPrompt(
      of: 300, meanPromptTokens: 600, shape: Self.shape
    ) { _, _ in 0.3 }
    #expect((attended as? any Budgeted)?.budget == .density(0.3, promptTokens: 300))
  }

  @Test("Each part of a composition is matched and resolved for itself")
  func parts() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "composed"))
    let configured = try entry.configure([
      "prefill": ["name": "a-shape", "budget": ["matching": "tca", "of": "density"]],
      "retention": ["name": "snapkv", "budget": ["matching": "tca"]],
      "decode": ["name": "quest", "budget": ["fraction": 0.4]],
    ])
    let sized = configured.forPrompt(of: 300, shape: Self.shape) { use, part in
      #expect(use == (part == .prefill ? .density : .kvBytes))
      return use == .density ? 0.25 : 87
    }
    let parts = try #require(sized as? any HasParts).parts
    #expect(
      parts.map { ($0.strategy as? any Budgeted)?.budget } == [
        .density(0.25, promptTokens: 300), .tokens(87), .tokens(120),
      ])
  }

  @Test("Bytes are tokens of the whole model, at least one a head")
  func bytes() {
    let shape = AttentionShape(layers: 3, queryHeads: 4, kvHeads: 2, headDimension: 16)
    let tokenBytes = 3 * 2 * 2 * 16 * 4
    for (bytes, tokens) in [(tokenBytes * 7, 7), (tokenBytes * 8 - 1, 7), (3, 1)] {
      let strategy = ConfiguredStrategy(
        ScoredRetention(Knorm()), budget: .bytes(bytes)
      ).forPrompt(of: 100, shape: shape)
      #expect((strategy as? any Budgeted)?.budget == .tokens(tokens))
    }
  }
}
