import Attention
import JSON
import Records
import Tensors
import Testing

@testable import Experiments

@Suite("Budgets of a run")
struct RunBudgetTests {
  private static let shape = AttentionShape(
    layers: 3, queryHeads: 4, kvHeads: 2, headDimension: 16)

  private func resolve(
    _ budget: JSONValue, promptTokens: Int = 100, meanPromptTokens: Double? = nil,
    matched: (StatedBudget.MatchedUse) throws -> Double = { _ in
      throw RunError.matchedCellHasNoResult
    }
  ) throws -> Budget {
    try #require(StatedBudget(budget)).resolved(
      promptTokens: promptTokens, meanPromptTokens: meanPromptTokens ?? Double(promptTokens),
      shape: Self.shape, cache: .f32, matched: matched)
  }

  @Test(
    "A fraction is of the prompt, rounded down, at least one token",
    arguments: [
      (0.4, 100, 40), (0.99, 100, 99), (0.001, 100, 1), (0.5, 3, 1), (0.299, 100, 29),
      // As decimals these are whole, though not in binary.
      (0.29, 100, 29), (0.57, 100, 57), (0.07, 100, 7), (0.1, 8190, 819),
    ])
  func fraction(_ fraction: Double, of tokens: Int, gives expected: Int) throws {
    #expect(
      try resolve(["fraction": .number(fraction)], promptTokens: tokens)
        == .tokens(expected))
  }

  @Test(
    "A fraction of 1, and a match on a cell that dropped nothing, are no bound in decode either")
  func everything() throws {
    #expect(try resolve(["fraction": 1], promptTokens: 100) == .everything)
    #expect(try resolve(["matching": "tca"], promptTokens: 100) { _ in 100 } == .everything)
  }

  @Test("Tokens, density and mass stay what they are")
  func plain() throws {
    #expect(try resolve(["tokens": 7]) == .tokens(7))
    #expect(try resolve(["mass": 0.9]) == .mass(0.9))
    #expect(try resolve(["density": 0.3]) == .density(0.3, promptTokens: 100))
  }

  @Test("Bytes are of the whole model: keys and values of all layers and KV heads")
  func bytes() throws {
    let token = 3 * 2 * 2 * 16 * 4
    #expect(try resolve(["bytes": .integer(10 * token)]) == .tokens(10))
    #expect(try resolve(["bytes": .integer(11 * token - 1)]) == .tokens(10))
    #expect(try resolve(["bytes": 1]) == .tokens(1))
  }

  @Test("A match takes the stored use: tokens kept, rounded down, or the density of the prefill")
  func matching() throws {
    let stored = { (use: StatedBudget.MatchedUse) in use == .kvBytes ? 40.99 : 0.37 }
    #expect(try resolve(["matching": "tca"], matched: stored) == .tokens(40))
    #expect(
      try resolve(["matching": "tca", "of": "density"], matched: stored)
        == .density(0.37, promptTokens: 100))
    // Of prompts of 50 and 150 tokens each keeps the share that the reference kept of all.
    #expect(
      try resolve(
        ["matching": "tca"], promptTokens: 50, meanPromptTokens: 100, matched: { _ in 40 })
        == .tokens(20))
    #expect(throws: RunError.self) { try resolve(["matching": "tca"]) }
  }

  @Test(
    "A density over the model is held by all layers and the first two samples together",
    arguments: ["minference", "flex-prefill", "xattention"])
  func modelDensity(name: String) throws {
    let lab = try RunLab()
    let strategy = { (scope: String) in
      #"{"name": "\#(name)", "blockSize": 16, "densityScope": "\#(scope)", "budget": {"density": 0.5}}"#
    }
    let run = try lab.run(
      RunLab.spec(
        contexts: "256", strategies: [strategy("layer"), strategy("model")],
        tasks: [RunLab.perplexity("continuation", samples: 2)],
        rest: #", "metrics": ["approximation", "quality"]"#))
    #expect(run.summary.failed == 0)
    let rows = try lab.results().rows.filter { $0.planned.cell.strategy == name }
    let densities = try rows.map { try #require($0[.nominalDensity]) }
    #expect(densities.count == 2 && densities.allSatisfy { $0 <= 0.5 && $0 > 0.4 }, "\(densities)")
    // MInference's one pattern for all heads has as many pairs at a scale in each layer.
    #expect((rows[0].heads == rows[1].heads) == (name == "minference"))
  }

  @Test(
    "A matched cell needs no second dense run, and its figures are the same as with one",
    arguments: [#""quality""#, #""approximation", "quality", "memory""#],
    ["kvBytes", "density"])
  func oneDenseRun(metrics: String, use: String) throws {
    let lab = try RunLab()
    let matching =
      #"{"name": "streaming-llm", "sinks": 4, "budget": {"matching": "tca", "of": "\#(use)"}}"#
    func run(_ strategies: [String], into database: String) throws -> Int {
      let run = try lab.run(
        RunLab.spec(
          contexts: "256", strategies: strategies, tasks: [RunLab.perplexity("continuation")],
          rest: #", "metrics": [\#(metrics)]"#), into: database)
      #expect(run.summary.failed == 0)
      return run.events.count {
        if case .progress(let step, _, _) = $0 {
          step.cell == "dense pass" && step.place.isEmpty
        } else {
          false
        }
      }
    }
    #expect(try run([RunLab.tca, matching], into: "together.sqlite") == 1)
    #expect(try run([RunLab.tca], into: "apart.sqlite") == 1)
    #expect(try run([RunLab.tca, matching], into: "apart.sqlite") == 1)
    let rows = try [lab.results("apart.sqlite"), lab.results("together.sqlite")].map { results in
      results.reproducible.sorted { $0.planned.label < $1.planned.label }.filter {
        $0.planned.cell.strategy == "streaming-llm"
      }
    }
    #expect(rows[0].map(\.figures) == rows[1].map(\.figures))
    #expect(rows[0].map(\.heads) == rows[1].map(\.heads))
    #expect(rows[0].map(\.units) == rows[1].map(\.units) && rows[0].count == 1)
    #expect(rows[0].allSatisfy { !$0.units.isEmpty })
  }

  @Test(
    "In a run the matched cell keeps, or attends to, no more than its reference, and nearly all of it"
  )
  func inARun() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        contexts: "256",
        strategies: [
          RunLab.tca, RunLab.matching,
          #"{"name": "streaming-llm", "budget": {"matching": "tca", "of": "density"}}"#,
          #"{"name": "streaming-llm", "budget": {"fraction": 0.25}}"#,
          #"{"name": "streaming-llm", "budget": {"tokens": 50}}"#,
          #"{"name": "streaming-llm", "budget": {"bytes": 20000}}"#,
          #"{"name": "streaming-llm", "budget": {"density": 0.3}}"#,
        ], tasks: [RunLab.perplexity("prefill")]))
    let results = try lab.results()
    let bytesPerToken = Double(2 * 2 * 2 * 16 * 4)
    func row(_ budget: JSONValue) throws -> ComparisonRow {
      try #require(
        results.rows.first { $0.planned.cell.strategyParameters["budget"] == budget },
        "\(budget) of \(results.rows.map(\.planned.cell.strategyParameters.canonicalText))")
    }
    func kept(_ row: ComparisonRow) throws -> Double {
      try #require(row[.kvCacheLogicalBytes]) / bytesPerToken
    }
    let tca = try #require(results.rows.first { $0.planned.cell.strategy == "tca" })
    #expect(try kept(tca) < 256, "TCA binds")

    // One token of each budget is that of the next query.
    #expect(try kept(row(["matching": "tca", "of": "kvBytes"])) == kept(tca).rounded(.down) - 1)
    #expect(try kept(row(["fraction": 0.25])) == 63)
    #expect(try kept(row(["tokens": 50])) == 49)
    #expect(try kept(row(["bytes": 20000])) == 38)
    let wanted = try #require(tca[.nominalDensity])
    for (budget, target) in [
      (["matching": "tca", "of": "density"] as JSONValue, wanted), (["density": 0.3], 0.3),
    ] {
      // One more key for each query would be too much: 256 x 257 / 2 causal pairs.
      let density = try #require(try row(budget)[.nominalDensity])
      #expect(density <= target && density > target - 2.0 / 257, "\(budget): \(density), \(target)")
    }
  }
}
