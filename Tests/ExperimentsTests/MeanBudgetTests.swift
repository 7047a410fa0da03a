import Attention
import JSON
import Planning
import Records
import Tensors
import Testing

@testable import Experiments

@Suite("Budgets that are means over decode steps")
struct MeanBudgetTests {
  private static let lengths = [
    MeanBudget.Lengths(prompt: 100, steps: 40), MeanBudget.Lengths(prompt: 80, steps: 60),
    MeanBudget.Lengths(prompt: 90, steps: 0),
  ]

  private func strategy(_ name: String, _ parameters: JSONValue = [:]) throws -> any Budgeted {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    return try #require(try entry.configure(parameters).strategy as? any Budgeted)
  }

  /// Token by token, step by step.
  private func bytes(_ strategy: any Budgeted, _ tokens: Double) -> Double {
    var strategy = strategy
    let means = Self.lengths.map { sample -> Double in
      strategy.budget =
        tokens.isFinite ? .tokens(Share.tokens(tokens / 90, of: sample.prompt)) : .everything
      let steps = sample.steps == 0 ? [0] : Array(1...sample.steps)
      return steps.reduce(0) {
        $0
          + (strategy.tokensHeld(atStep: $1, afterPrompt: sample.prompt, headDimension: 64)
            ?? .nan)
      } / Double(steps.count)
    }
    return 7 * means.reduce(0, +) / 3
  }

  @Test("The budget found is the one whose mean is nearest to the target, of all that there are")
  func nearest() throws {
    for (name, parameters) in [
      ("snapkv", [:]), ("snapkv", ["evictEvery": 16]), ("h2o", [:]), ("tova", [:]),
      ("streaming-llm", [:]),
    ] as [(String, JSONValue)] {
      let strategy = try strategy(name, parameters)
      for target in stride(from: 7.0 * 25, to: 7 * 120, by: 31) {
        let budget = MeanBudget(target: target, samples: Self.lengths, bytesPerToken: 7)
        let found = try #require(budget.solved(for: strategy))
        let all = (1...140).map { bytes(strategy, Double($0)) } + [bytes(strategy, .infinity)]
        let best = all.map { abs($0 - target) }.min() ?? .infinity
        let own = bytes(strategy, found.tokens)
        #expect(abs(own - target) <= best + 1e-9, "\(name) \(target)")
        switch found.limit {
        case .infeasible?:
          #expect(all[0] > target * 1.01 && found.tokens == 1 && found.least == all[0])
        case .capped?: #expect(all.max()! < target * 0.99 && found.tokens == .infinity)
        default: #expect(found.limit == nil && found.least == nil)
        }
      }
    }
  }

  @Test(
    "What depends on the data is searched, evenly growing bytes in at most three passes, to within 1 %"
  )
  func search() throws {
    let budget = MeanBudget(target: 7 * 60, samples: Self.lengths, bytesPerToken: 7)
    #expect(budget.solved(for: try strategy("tca-plus")) == nil)
    for use in [
      { 7 * ($0 + 16.0) }, { 300 + 2 * $0 }, { 7 * min($0, 90) * 0.8 + 0.01 * $0 * $0 },
    ] as [(Double) -> Double] {
      var passes = 0
      let found = budget.searched { tokens in
        passes += 1
        return use(tokens)
      }
      #expect(passes <= 3 && found.limit == nil && budget.isWithinTolerance(use(found.tokens)))
    }
    // Heads that fill up one after another, as tca-plus's do.
    for use in [
      { 7 * min(3 * $0, 40 + 0.2 * $0) },
      { 7 * ($0 < 40 ? 0.2 * $0 : $0 < 100 ? $0 - 32 : 68 + 0.01 * ($0 - 100)) },
    ] as [(Double) -> Double] {
      var passes = 0
      let found = budget.searched { tokens in
        passes += 1
        return use(tokens)
      }
      #expect(
        passes <= 8 && found.limit == nil && budget.isWithinTolerance(use(found.tokens)),
        "\(passes) passes, \(use(found.tokens)) bytes")
    }
    #expect(budget.searched { 7 * (100 + $0) }.limit == .infeasible)
    #expect(abs((budget.searched { 7 * (100 + $0) }.least ?? 0) - 707) < 1e-9)
    #expect(budget.searched { min(7 * $0 * 0.2, 300) }.limit == .capped)
  }

  // MARK: In a run

  private static let task = RunLab.perplexity("continuation", samples: 3)

  private func rows(_ lab: RunLab, _ strategies: [String], tasks: [String] = [task]) throws
    -> [ComparisonRow]
  {
    let run = try lab.run(
      RunLab.spec(
        contexts: "256", strategies: strategies, tasks: tasks,
        rest: #", "metrics": ["quality", "memory"]"#))
    #expect(run.summary.failed == 0)
    return try lab.results().rows
  }

  @Test(
    "Matched methods hold the reference's mean bytes within 1 %, whatever they keep of what is decoded"
  )
  func matched() throws {
    let lab = try RunLab()
    let names = [
      #""name": "snapkv""#, #""name": "snapkv", "evictEvery": 16"#, #""name": "pyramidkv""#,
      #""name": "adakv""#, #""name": "h2o""#, #""name": "tova""#, #""name": "streaming-llm""#,
      #""name": "oracle-eviction""#, #""name": "keydiff""#,
    ]
    let composed =
      #"{"name": "composed", "prefill": {"name": "a-shape", "budget": {"matching": "tca"}}, "retention": {"name": "snapkv", "budget": {"matching": "tca"}}}"#
    let rows = try rows(
      lab, [RunLab.tca] + names.map { "{\($0), \"budget\": {\"matching\": \"tca\"}}" } + [composed])
    let tca = try #require(rows.first { $0.planned.cell.strategy == "tca" })
    let wanted = try #require(tca[.globalMeanKVCacheLogicalBytes])
    #expect(tca.matchStatus == nil && tca[.matchedKVCacheBytes] == nil)
    #expect(try wanted < 0.95 * #require(rows[0][.globalMeanKVCacheLogicalBytes]))
    let matched = rows.filter { $0.planned.matchedIdentity == tca.planned.cell.identity }
    #expect(matched.count == names.count + 1)
    for row in matched {
      let held = try #require(row[.globalMeanKVCacheLogicalBytes])
      #expect(row.matchStatus == .matched, "\(row.planned.label): \(held) of \(wanted)")
      #expect(abs(held / wanted - 1) <= 0.01, "\(row.planned.label)")
      #expect(row[.matchedKVCacheBytes] == wanted)
    }
    // A method that keeps all that is decoded began with less than one that goes on evicting.
    let snapKV = try #require(matched.first { $0.planned.label == "snapkv" })
    let h2o = try #require(matched.first { $0.planned.cell.strategy == "h2o" })
    #expect(try #require(snapKV[.kvCacheLogicalBytes]) < #require(h2o[.kvCacheLogicalBytes]))
    #expect(
      try #require(snapKV[.finalKVCacheLogicalBytes]) > #require(h2o[.finalKVCacheLogicalBytes]))
    for row in rows {
      let figures: [ComparisonColumn] = [
        .kvCacheResidentBytes, .meanKVCacheResidentBytes, .finalKVCacheResidentBytes,
      ]
      let peak = try #require(row[.peakKVCacheResidentBytes])
      for figure in figures { #expect(try #require(row[figure]) <= peak) }
      // No layer has a window.
      #expect(row[.meanKVCacheResidentBytes] == row[.globalMeanKVCacheResidentBytes])
      #expect(
        try #require(row[.meanKVCacheLogicalBytes]) <= #require(row[.meanKVCacheResidentBytes]))
    }
  }

  @Test(
    "A share of full in float16; below what is appended it is infeasible, above all tokens capped")
  func shares() throws {
    let lab = try RunLab()
    let rows = try rows(
      lab,
      [
        #"{"name": "full", "cache": "f32"}"#,
        #"{"name": "snapkv", "budget": {"meanKvBytes": [0.05, 0.5]}}"#,
        #"{"name": "snapkv", "cache": "f16", "budget": {"meanKvBytes": 0.5}}"#,
        #"{"name": "keydiff", "cache": "f16", "budget": {"matching": "full"}}"#,
        #"{"name": "h2o", "budget": {"meanKvBytes": [0.5, 1]}}"#,
        #"{"name": "tca-plus", "calibrationCorpus": "novel.txt", "calibrationLength": 256, "localWindow": 32, "budget": {"meanKvBytes": 0.6}}"#,
      ])
    let full = try #require(rows[0][.globalMeanKVCacheLogicalBytes])
    func row(_ strategy: String, _ share: JSONValue, _ cache: String = "f32") throws
      -> ComparisonRow
    {
      try #require(
        rows.first {
          $0.planned.cell.strategy == strategy && $0.planned.cell.cache == cache
            && $0.planned.cell.strategyParameters["budget"] == ["meanKvBytes": share]
        })
    }
    // 192 tokens of the prompt, 63 steps: half of them are appended on average.
    let infeasible = try row("snapkv", 0.05)
    #expect(infeasible.matchStatus == .infeasible)
    #expect(infeasible[.globalMeanKVCacheLogicalBytes] == full * (1 + 32) / (192 + 32))
    #expect(infeasible[.matchedKVCacheBytes] == 0.05 * full / 2)
    for row in try [
      row("snapkv", 0.5), row("snapkv", 0.5, "f16"), row("h2o", 0.5), row("h2o", 1),
      row("tca-plus", 0.6),
    ] {
      let held = try #require(row[.globalMeanKVCacheLogicalBytes])
      let target = try #require(row[.matchedKVCacheBytes])
      let share = try #require(row.planned.cell.strategyParameters["budget"]?["meanKvBytes"])
      #expect(abs(target - (share.doubleValue ?? 0) * full / 2) < 1e-6 * target)
      #expect(row.matchStatus == .matched, "\(row.planned.label): \(held) of \(target)")
      #expect(abs(held / target - 1) <= 0.01, "\(row.planned.label)")
    }
    let capped = try #require(rows.first { $0.planned.cell.strategy == "keydiff" })
    #expect(capped.matchStatus == .capped)
    #expect(capped[.globalMeanKVCacheLogicalBytes] == full / 2)
    #expect(capped[.matchedKVCacheBytes] == full)
  }

  @Test(
    "What is matched follows the protocol: the mean where tokens are decoded, else what is kept")
  func byProtocol() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      contexts: "256", strategies: [RunLab.tca, RunLab.matching],
      tasks: [RunLab.perplexity("prefill"), RunLab.perplexity("continuation")])
    let budgets = try lab.plan(spec).filter { $0.cell.strategy == "streaming-llm" }
      .map { ($0.cell.taskProtocol, $0.cell.strategyParameters["budget"]) }
    #expect(budgets.map(\.0) == ["prefill", "continuation"])
    #expect(
      budgets.map(\.1) == [
        ["matching": "tca", "of": "kvBytes"], ["matching": "tca", "of": "meanKvBytes"],
      ])
    let rows = try rows(
      lab, [RunLab.tca, RunLab.matching],
      tasks: [
        RunLab.perplexity("prefill"), RunLab.perplexity("continuation"),
      ])
    for row in rows where row.planned.cell.taskProtocol == "prefill" {
      #expect(row.matchStatus == nil && row[.meanKVCacheResidentBytes] == nil)
      #expect(row[.peakKVCacheResidentBytes] != nil)
    }
  }

  @Test("An answer's length is not known before: the reference's own steps are reckoned with")
  func answers() throws {
    let lab = try RunLab()
    let rows = try rows(
      lab, [RunLab.tca, #"{"name": "snapkv", "budget": {"matching": "tca"}}"#],
      tasks: [
        #"{"name": "passkey", "corpus": "novel.txt", "depths": [0.5], "samples": 2, "queryAware": false}"#
      ])
    let tca = try #require(rows.first { $0.planned.cell.strategy == "tca" })
    let snapKV = try #require(rows.first { $0.planned.cell.strategy == "snapkv" })
    #expect(snapKV.matchStatus == .matched)
    let ratio =
      try #require(snapKV[.globalMeanKVCacheLogicalBytes])
      / #require(tca[.globalMeanKVCacheLogicalBytes])
    #expect(abs(ratio - 1) <= 0.01)
  }
}
