import Attention
import Foundation
import Records
import Tasks
import Testing
import Transformer

@testable import Experiments

@Suite("What a run stores")
struct RunResultsTests {
  private static let everything = #"{"name": "streaming-llm", "sinks": 0, "localWindow": 512}"#

  @Test("Greedy tokens end before a stop token, which may be kept from being the first")
  func stopTokens() throws {
    let lab = try RunLab()
    let model = try lab.loadModel()
    func greedy(_ change: (inout TaskSample) -> Void) throws -> [Int32] {
      var sample = TaskSample(index: 0, place: 0, prompt: Array(20..<60))
      sample.greedyTokens = 12
      change(&sample)
      let session = AttentionSession(
        FullAttention(), shape: model.model.shape, workspace: model.model.workspace)
      return try SamplePass(model: model.model, sample: sample).run(attention: session).answers[0]
    }
    let free = try greedy { _ in }
    #expect(free.count == 12)
    for token in Set(free) {
      #expect(try greedy { $0.stopTokens = [token] } == Array(free.prefix { $0 != token }))
    }
    let other = try greedy {
      $0.stopTokens = [free[0]]
      $0.isNeverEmpty = true
    }
    #expect(other.first != nil && other.first != free[0] && !other.contains(free[0]))
  }

  @Test(
    "Where kept tokens lie is stored with memory: sinks and window of streaming-llm, nothing of full"
  )
  func keptTokens() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [RunLab.streaming], tasks: [RunLab.perplexity("continuation", samples: 2)],
        rest: #", "metrics": ["memory"]"#))
    let rows = try lab.results().rows
    #expect(rows.map(\.kept.count) == [0, 4])
    for (number, kept) in rows[1].kept.enumerated() {
      #expect(kept.layer == number / 2 && kept.kvHead == number % 2)
      let tokens = kept.promptTokens
      // The window is that of the query after the prompt.
      let held = Array(0..<4) + Array(tokens - 31..<tokens)
      let expected = KeptTokens(
        layer: kept.layer, kvHead: kept.kvHead, promptTokens: tokens,
        positions: held.map(Int32.init))
      #expect(kept == expected)
    }
  }

  @Test("A user's own questions are run, scored line by line, and told apart in comparison")
  func ownQuestions() throws {
    let lab = try RunLab()
    let line = { (metric: String, answers: String) in
      #"{"context": "Some words.", "question": "Why?", "answers": ["\#(answers)"], "choices": ["x", "y"], "metric": "\#(metric)"}"#
    }
    try lab.folder.write(
      [line("f1", "so"), line("choice", "B")].joined(separator: "\n"), to: "a.jsonl")
    try lab.folder.write(line("contains", "no such answer"), to: "b.jsonl")
    let spec = { (name: String) in
      RunLab.spec(
        strategies: [RunLab.streaming],
        tasks: [
          #"{"name": "jsonl", "file": ["a.jsonl", "\#(name)"], "answerTokens": 4, "queryAware": false}"#
        ], rest: #", "metrics": ["quality"]"#)
    }
    #expect(try lab.run(spec("b.jsonl")).summary.finished == 4)
    let rows = try lab.results().rows
    #expect(
      rows.map { $0.planned.taskLabel }
        == ["jsonl file=a.jsonl", "jsonl file=a.jsonl", "jsonl file=b.jsonl", "jsonl file=b.jsonl"])
    #expect(rows.map(\.units.count) == [2, 2, 1, 1])
    #expect(rows.map { $0[.chanceLevel] } == [0.25, 0.25, 0, 0])
    #expect(rows[0].units.map(\.place) == [1, 2] && rows[0].units[1].expected == "B")
    #expect(rows.allSatisfy { !$0.planned.cell.queryAware })
    // The same file under another name is the same cell, a changed one another.
    try lab.folder.write(line("contains", "no such answer"), to: "c.jsonl")
    #expect(try lab.run(spec("c.jsonl")).summary.skipped == 4)
    try lab.folder.write(line("contains", "another"), to: "b.jsonl")
    #expect(try lab.run(spec("b.jsonl")).summary.finished == 2)
    #expect {
      try lab.folder.write(line("best", "x"), to: "b.jsonl")
      _ = try lab.check(spec("b.jsonl"))
    } throws: { "\($0)".contains("b.jsonl: line 1: \"metric\" is \"best\"") }
  }

  @Test("Every cell ends with all four kinds, units, errors of every head, times and bytes")
  func complete() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      contexts: "128, 256", strategies: [RunLab.streaming, RunLab.tca],
      tasks: [
        RunLab.perplexity("prefill", samples: 2), RunLab.perplexity("continuation"),
        #"{"name": "passkey", "corpus": "novel.txt", "depths": [0.2, 0.8], "samples": 1, "queryAware": [true, false], "decodeTokens": 3}"#,
      ])
    let run = try lab.run(spec)
    let results = try lab.results()
    #expect(run.summary == RunSummary(finished: 24, skipped: 0, failed: 0, isInterrupted: false))
    #expect(results.rows.count == 24)
    #expect(try lab.runs().map(\.ending) == [.finished])
    for row in results.rows {
      let cell = row.planned.cell
      let place =
        "\(row.planned.label), \(cell.task) \(cell.taskProtocol ?? "") \(cell.contextLength)"
      #expect(Set(row.kinds.keys) == Set(ResultKind.allCases), "\(place)")
      #expect(row.failure == nil, "\(place)")

      // 2 layers x 4 query heads, in both settings, in the prefill and where something is decoded.
      let phases: [MeasuredPhase] =
        cell.taskProtocol == "prefill" ? [.prefill] : [.prefill, .decode]
      for setting in ErrorSetting.allCases {
        for phase in phases {
          let heads = row.heads.filter { $0.setting == setting && $0.phase == phase }
          #expect(
            Set(heads.map { [$0.layer, $0.queryHead] }).count == 8 && heads.count == 8,
            "\(place) \(setting) \(phase)")
        }
      }
      #expect(row.heads.count == 16 * phases.count, "\(place)")

      for column: ComparisonColumn in [
        .relativeOutputError, .propagatedRelativeOutputError, .outputCosine, .droppedMass, .density,
        .nominalDensity, .retainedFraction, .kvCacheLogicalBytes, .kvCacheResidentBytes,
        .finalKVCacheResidentBytes, .workspaceBytes, .peakResidentBytes, .timeToFirstToken,
        .timePerOutputToken, .attentionTime, .selectionTime, .timeToFirstTokenRatio,
        .kvCacheResidentBytesRatio,
      ] {
        #expect(row[column] != nil, "\(place): \(column.rawValue)")
      }
      let density = try #require(row[.density])
      let nominal = try #require(row[.nominalDensity])
      #expect(0 < nominal && nominal <= density && nominal <= 1, "\(place)")
      #expect(try #require(row[.retainedFraction]) <= 1, "\(place)")
      #expect(
        try #require(row[.kvCacheResidentBytes]) >= #require(row[.kvCacheLogicalBytes]), "\(place)")
      #expect(row[.repeatCount] == 2, "\(place)")
      if let bound = row[.boundRatio] { #expect(0...1.001 ~= bound, "\(place)") }

      if cell.task == "perplexity" {
        let samples = cell.taskProtocol == "prefill" ? 2 : 1
        let scored = cell.contextLength / (cell.taskProtocol == "prefill" ? 2 : 4)
        #expect(row.units.reduce(0) { $0 + $1.tokens } == samples * scored, "\(place)")
        #expect(Set(row.units.map(\.sample)) == Set(0..<samples), "\(place)")
        // The stored sums give the stored mean, and with it the perplexity.
        let nats = row.units.reduce(0) { $0 + ($1.negativeLogLikelihood ?? .nan) }
        let perplexity = try #require(row[.perplexity])
        #expect(abs(exp(nats / Double(samples * scored)) / perplexity - 1) < 1e-12, "\(place)")
      } else {
        #expect(row.units.map(\.place).sorted() == [0.2, 0.8], "\(place)")
        for unit in row.units {
          #expect(unit.score != nil && unit.answer != nil && unit.expected?.count == 5, "\(place)")
        }
        #expect(row[.score] == row.units.reduce(0) { $0 + ($1.score ?? .nan) } / 2, "\(place)")
      }
    }
  }

  @Test("Full has no error, keeps everything, and its bytes are those of its tokens")
  func full() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [#"{"name": "full"}"#],
        tasks: [RunLab.perplexity("prefill"), RunLab.perplexity("continuation")]))
    let results = try lab.results()
    for (scoring, prompt) in [("prefill", 128), ("continuation", 96)] {
      let row = try results.row("full", scoring)
      for head in row.heads {
        #expect(head.relativeOutputError == 0 && head.worstQueryError == 0)
        #expect(abs(head.outputCosine - 1) < 1e-6)
        #expect(head.droppedMass == 0 && head.droppedMassMaximum == 0 && head.boundRatio == nil)
        #expect(head.nominalDensity == 1 && head.retainedFraction == 1)
      }
      // 2 layers x 2 KV heads x (key + value) x 16 numbers of 4 bytes.
      let bytesPerToken = 2 * 2 * 2 * 16 * 4
      #expect(row[.kvCacheLogicalBytes] == Double(prompt * bytesPerToken))
      #expect(row[.kvCacheResidentBytesRatio] == 1 && row[.perplexityRatio] == 1)
      #expect(row[.logitKL] == nil || row[.logitKL] == 0)
    }
  }

  @Test("In float16 full has the format's error alone, drops nothing, and takes half the bytes")
  func halfFloats() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [
          #"{"name": "full", "cache": ["f16", "f32"]}"#,
          #"{"name": "streaming-llm", "sinks": 4, "localWindow": 31, "cache": "f16"}"#,
        ], tasks: [RunLab.perplexity("continuation")]))
    let results = try lab.results()
    let half = try results.row("full cache=f16", "continuation")
    let float = try results.row("full cache=f32", "continuation")
    let sparse = try results.row("streaming-llm", "continuation")
    #expect(half.isFull && !float.isFull)
    for row in [half, float] {
      for head in row.heads {
        #expect(head.droppedMass == 0 && head.boundRatio == nil && head.retainedFraction == 1)
        #expect(
          row.isFull
            ? (1e-6...2e-3).contains(head.relativeOutputError)
            : head.relativeOutputError == 0)
      }
    }
    #expect(try #require(float[.kvCacheLogicalBytesRatio]) == 2)
    #expect(try #require(float[.perplexityRatio]) != 1)
    #expect(abs(try #require(float[.perplexityRatio]) - 1) < 1e-2)
    // The bound holds against the tokens as stored, and something was dropped.
    #expect(try (0.01...1).contains(#require(sparse[.boundRatio])))
    #expect(try #require(sparse[.droppedMass]) > 0.01)
  }

  @Test("Perplexity is that of the same window scored densely, in one pass or token by token")
  func independentPerplexity() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [#"{"name": "full"}"#],
        tasks: [
          RunLab.perplexity("prefill", samples: 2), RunLab.perplexity("continuation", samples: 2),
        ]))
    let results = try lab.results()
    let model = try lab.loadModel()
    for (scoring, scored) in [("prefill", 64), ("continuation", 32)] {
      let task = try TaskRegistry.builtIn.task(
        named: "perplexity",
        parameters: ["corpus": "novel.txt", "protocol": .string(scoring), "samples": 2],
        folder: lab.folder.url)
      let samples = try task.samples(tokenizer: model.tokenizer, contextLength: 128, seed: 3)
      var sum = 0.0
      for sample in samples {
        let window = sample.prompt + sample.forced
        #expect(window.count == 128)
        let session = AttentionSession(
          FullAttention(), shape: model.model.shape, workspace: lab.workspace)
        sum += try model.model.score(window, attention: session)
          .logProbabilities.suffix(scored).reduce(0, +)
      }
      let expected = exp(-sum / Double(2 * scored))
      let found = try #require(try results.row("full", scoring)[.perplexity])
      // Float32 sums in another order.
      #expect(abs(found / expected - 1) < 1e-4, "\(scoring): \(found), \(expected)")
    }
  }

  @Test("A strategy that keeps everything has the dense quality and no error")
  func keepingEverything() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [Self.everything, #"{"name": "streaming-llm", "budget": {"fraction": 1}}"#],
        tasks: [RunLab.perplexity("prefill"), RunLab.perplexity("continuation")]))
    let results = try lab.results()
    for scoring in ["prefill", "continuation"] {
      let dense = try results.row("full", scoring)
      for row in results.rows where !row.isFull && row.planned.cell.taskProtocol == scoring {
        let place = "\(row.planned.label) \(scoring)"
        for head in row.heads {
          #expect(head.relativeOutputError <= 1e-6 && head.retainedFraction == 1, "\(place)")
          #expect(try #require(head.droppedMassMaximum) <= 1e-5, "\(place)")
        }
        let ratio = try #require(row[.perplexity]) / #require(dense[.perplexity])
        #expect(abs(ratio - 1) <= 1e-6, "\(place)")
        #expect(try #require(row[.logitKL]) <= 1e-9, "\(place)")
        #expect(row[.topOneAgreement] == 1, "\(place)")
        #expect(row[.kvCacheLogicalBytes] == dense[.kvCacheLogicalBytes], "\(place)")
      }
    }
  }

  @Test("Sinks and window: pairs, tokens and bytes are those that can be counted by hand")
  func streaming() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill")]))
    let row = try #require(try lab.results().rows.first { !$0.isFull })
    let pairs = (0..<128).reduce(0) { $0 + min($1 + 1, 36) }
    let nominal = try #require(row[.nominalDensity])
    #expect(abs(nominal - Double(pairs) / Double(128 * 129 / 2)) < 1e-12)
    // What the next query will see beside itself.
    #expect(abs(try #require(row[.retainedFraction]) - 35.0 / 128) < 1e-12)
    #expect(row[.kvCacheLogicalBytes] == Double(35 * 2 * 2 * 2 * 16 * 4))
    #expect(try #require(row[.relativeOutputError]) > 1e-3)
    #expect(try #require(row[.logitKL]) > 0)
    #expect(try #require(row[.boundRatio]) <= 1)
  }

  @Test("The number of threads changes no figure")
  func threads() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      contexts: "128, 256", strategies: [RunLab.streaming, RunLab.tca, RunLab.matching],
      tasks: [RunLab.perplexity("prefill"), RunLab.perplexity("continuation", samples: 2)],
      rest: #", "metrics": ["approximation", "quality", "memory"]"#)
    _ = try lab.run(spec, into: "two.sqlite")
    let one = Workspace(workers: .init())
    _ = try lab.run(spec, into: "one.sqlite", workspace: one)
    let two = try lab.results("two.sqlite").reproducible
    #expect(two.count == 16)
    #expect(try lab.results("one.sqlite").reproducible == two)
  }

  @Test(
    "A timing group times full, the strategies and full again in every round, in an order of its own, warm-ups first and marked"
  )
  func timing() throws {
    let lab = try RunLab()
    _ = try lab.run(
      RunLab.spec(
        strategies: [RunLab.streaming, RunLab.tca], tasks: [RunLab.perplexity("continuation")]))
    let results = try lab.results()
    let identities = results.rows.map(\.planned.cell.identity)
    #expect(results.rows[0].isFull)
    #expect(results.timingGroups.count == 1)
    let samples = results.timingGroups[0].group.samples
    let rounds = stride(from: 0, to: samples.count, by: 3).map {
      samples[$0..<$0 + 3].map(\.identity)
    }
    #expect(rounds.count == 3 && rounds.allSatisfy { Set($0) == Set(identities) })
    #expect(Set(rounds).count > 1)
    #expect(samples.map(\.isWarmup) == [true, true, true] + Array(repeating: false, count: 6))
    let controls = results.timingGroups[0].group.controls
    #expect(controls.map(\.identity) == Array(repeating: identities[0], count: 3))
    #expect(controls.map(\.isWarmup) == [true, false, false])
    #expect(controls.map(\.repetition) == [0, 1, 2])
    let runs = try lab.run(
      RunLab.spec(
        strategies: [RunLab.streaming, RunLab.tca], tasks: [RunLab.perplexity("continuation")]),
      into: "again.sqlite")
    #expect(runs.summary.failed == 0)
    #expect(
      try lab.results("again.sqlite").timingGroups[0].group.samples.map(\.identity)
        == samples.map(\.identity))
    for sample in samples + controls {
      #expect(sample.promptTokens == 96 && sample.decodeTokens == 4)
      #expect(sample.timeToFirstToken > 0 && sample.attentionTime > 0 && sample.otherTime >= 0)
      let stages = sample.attentionTime + sample.selectionTime + sample.compactionTime
      #expect(abs(stages + sample.otherTime - sample.timeToFirstToken) < 1e-9)
      #expect(try #require(sample.timePerOutputToken) > 0)
    }
  }
}
