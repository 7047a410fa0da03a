import Attention
import Planning
import Records
import ResultStore
import Testing

@testable import Experiments

@Suite("Oracles that read the future, in a run")
struct RunOracleTests {
  @Test("No evictor drops less of the continuation's attention than the oracle of its kind")
  func bounds() throws {
    let lab = try RunLab()
    let names = ["random", "knorm", "snapkv", "streaming-llm", "h2o"]
    let run = try lab.run(
      RunLab.spec(
        contexts: "256",
        strategies: [#"{"name": "full"}"#]
          + (names + ["oracle-eviction"]).map {
            #"{"name": "\#($0)", \#($0 == "streaming-llm" ? #""prefill": false, "# : "")"budget": {"fraction": 0.4}}"#
          },
        tasks: [
          RunLab.perplexity("continuation", samples: 2),
          #"{"name": "passkey", "corpus": "novel.txt", "samples": 1, "depths": [0.3, 0.7], "queryAware": false, "decodeTokens": 4}"#,
        ]))
    #expect(run.summary.failed == 0)
    let rows = try lab.results().rows
    for task in ["perplexity", "passkey"] {
      func figure(_ column: ComparisonColumn, _ strategy: String) throws -> Double {
        let row = try #require(
          rows.first { $0.planned.cell.task == task && $0.planned.cell.strategy == strategy })
        return try #require(row[column], "\(strategy), \(task), \(column)")
      }
      let best = try figure(.decodeDroppedMass, "oracle-eviction")
      let share = try figure(.retainedFraction, "oracle-eviction")
      #expect(best > 0 && share <= 0.4)
      for name in names {
        #expect(try figure(.retainedFraction, name) <= share + 1e-6, "\(name), \(task)")
        #expect(try figure(.decodeDroppedMass, name) >= best, "\(name), \(task)")
      }
    }
  }

  @Test(
    "Where nothing follows the prompt the oracle's cell fails with the reason, and the others do not"
  )
  func nothingFollows() throws {
    let lab = try RunLab()
    let run = try lab.run(
      RunLab.spec(
        strategies: [
          #"{"name": "full"}"#, #"{"name": "oracle-eviction", "budget": {"fraction": 0.4}}"#,
          #"{"name": "knorm", "budget": {"fraction": 0.4}}"#,
        ],
        tasks: [
          #"{"name": "perplexity", "corpus": "novel.txt", "samples": 1, "scoredTokens": 1}"#
        ], rest: #", "metrics": ["quality"]"#))
    #expect(run.summary.failed == 1 && run.summary.finished == 2)
    let failure = try lab.results().row("oracle-eviction").failure
    #expect(failure?.reason.contains("nothing follows the prompt") == true)
  }

  @Test("Interrupted in the run that an oracle goes by, nothing has failed")
  func interrupted() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      strategies: [#"{"name": "oracle-eviction", "budget": {"fraction": 0.4}}"#],
      tasks: [RunLab.perplexity("continuation")], rest: #", "metrics": ["latency"]"#)
    let checkpoints = try lab.run(spec).checkpoints
    for stop in 1...checkpoints {
      let summary = try lab.run(spec, into: "\(stop).sqlite", interruptedAt: stop).summary
      #expect(summary.isInterrupted && summary.failed == 0, "\(stop) of \(checkpoints)")
    }
  }

  @Test("A spec with an oracle, or a composition of one, refuses the prefill protocol at its place")
  func prefillProtocol() throws {
    let lab = try RunLab()
    for strategy in [
      #"{"name": "oracle-eviction", "budget": {"fraction": 0.4}}"#,
      #"{"name": "composed", "prefill": {"name": "a-shape"}, "retention": {"name": "oracle-eviction", "budget": {"fraction": 0.4}}}"#,
    ] {
      for (task, path) in [
        (RunLab.perplexity("prefill"), "$.tasks[0].protocol"),
        (
          #"{"name": "perplexity", "corpus": "novel.txt", "protocol": ["continuation", "prefill"]}"#,
          "$.tasks[0].protocol[1]"
        ),
      ] {
        let error = #expect(throws: SpecError.self) {
          try lab.check(RunLab.spec(strategies: [strategy], tasks: [task]))
        }
        #expect(error?.problems.count == 1)
        #expect(error?.problems.first?.path.description == path)
        #expect(error?.problems.first?.message.contains("nothing after the prompt") == true)
      }
    }
  }

  @Test("A run of its own, without the samples' future, refuses the oracle")
  func singleRun() throws {
    let lab = try RunLab()
    let strategy = try StrategyArgument(parsing: "oracle-eviction", in: lab.environment)
    let error = #expect(throws: (any Error).self) {
      try SingleRun(try lab.loadModel(), strategy).makeSession(promptTokens: 40)
    }
    #expect(error.map { "\($0)".contains("tca-lab run") } == true)
  }
}
