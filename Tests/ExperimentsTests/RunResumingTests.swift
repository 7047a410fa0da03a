import Attention
import Foundation
import GRDB
import Records
import Testing

@testable import Experiments

@Suite("Runs that go on where another stopped")
struct RunResumingTests {
  private static let spec = RunLab.spec(
    strategies: [RunLab.streaming, RunLab.tca, RunLab.matching],
    tasks: [RunLab.perplexity("continuation", samples: 2)])

  @Test("A second run skips every cell and changes nothing")
  func again() throws {
    let lab = try RunLab()
    let first = try lab.run(Self.spec)
    let before = try lab.results()
    let second = try lab.run(Self.spec)
    let after = try lab.results()
    #expect(first.summary.finished == 4 && first.skipped.isEmpty)
    #expect(second.summary == RunSummary(finished: 0, skipped: 4, failed: 0, isInterrupted: false))
    #expect(second.skipped.map(\.cell.identity) == before.rows.map(\.planned.cell.identity))
    #expect(after.rows == before.rows && after.timingGroups == before.timingGroups)
    #expect(!second.notes.contains { $0.hasPrefix("calibrating") })
    #expect(try lab.runs().map(\.ending) == [.finished, .finished])
  }

  @Test(
    "Beside a stored full, errors and scored tokens ask for its run again, answers and bytes do not"
  )
  func added() throws {
    let lab = try RunLab()
    let passkey = #"{"name": "passkey", "corpus": "novel.txt", "samples": 1, "depths": [0.5]}"#
    let novel = RunLab.perplexity("continuation")
    for (number, (task, metric, isNeeded)) in [
      (passkey, "quality", false), (passkey, "approximation", true), (novel, "quality", true),
      (novel, "memory", false),
    ].enumerated() {
      func run(_ strategies: [String], into database: String) throws -> RunLab.Run {
        try lab.run(
          RunLab.spec(
            contexts: "256", strategies: [#"{"name": "full"}"#] + strategies, tasks: [task],
            rest: #", "metrics": ["\#(metric)"]"#),
          into: "\(database)-\(number).sqlite")
      }
      _ = try run([], into: "grown")
      let grown = try run([RunLab.streaming], into: "grown")
      let passes = grown.events.compactMap { event -> String? in
        if case .progress(let step, _, _) = event { step.cell } else { nil }
      }
      #expect(passes.contains("dense pass") == isNeeded, "\(task) \(metric)")
      _ = try run([RunLab.streaming], into: "whole")
      #expect(
        try lab.results("grown-\(number).sqlite").reproducible
          == lab.results("whole-\(number).sqlite").reproducible, "\(task) \(metric)")
    }
  }

  @Test("Interrupted at any checkpoint and run again, it ends as if nothing had happened")
  func interrupted() throws {
    let lab = try RunLab()
    let undisturbed = try lab.run(Self.spec)
    let expected = try lab.results().reproducible
    let cells = try lab.plan(Self.spec)
    #expect(undisturbed.checkpoints > 20)
    for stop in 1...undisturbed.checkpoints {
      let database = "stopped-\(stop).sqlite"
      let first = try lab.run(Self.spec, into: database, interruptedAt: stop)
      #expect(first.summary.isInterrupted && first.summary.failed == 0, "\(stop)")
      #expect(try lab.runs(database).map(\.ending) == [.interrupted], "\(stop)")
      let stored = try lab.kinds(of: cells, in: database)

      let second = try lab.run(Self.spec, into: database)
      let results = try lab.results(database)
      #expect(!second.summary.isInterrupted, "\(stop)")
      #expect(results.reproducible == expected, "\(stop)")
      // What was stored before is from the first run, and only that.
      for row in results.rows {
        for (kind, run) in row.kinds {
          let wasThere = stored[row.planned.cell.identity]?.contains(kind) == true
          #expect(run == (wasThere ? 1 : 2), "\(stop): \(row.planned.label) \(kind)")
        }
      }
    }
    // Without an interruption there is one checkpoint less than would stop it.
    let last = try lab.run(
      Self.spec, into: "last.sqlite", interruptedAt: undisturbed.checkpoints + 1)
    #expect(!last.summary.isInterrupted)
  }

  @Test(
    "An interruption is never a cell's failure, wherever it comes: an oracle looks ahead in a timed pass"
  )
  func interruptedInTiming() throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      strategies: [#"{"name": "oracle-eviction", "budget": {"fraction": 0.4}}"#, RunLab.tca],
      tasks: [RunLab.perplexity("continuation")], rest: #", "metrics": ["latency"]"#)
    let undisturbed = try lab.run(spec)
    #expect(undisturbed.checkpoints > 10)
    for stop in 1...undisturbed.checkpoints {
      let database = "stopped-\(stop).sqlite"
      let run = try lab.run(spec, into: database, interruptedAt: stop)
      #expect(run.summary.isInterrupted && run.summary.failed == 0, "\(stop)")
      #expect(try lab.runs(database).map(\.ending) == [.interrupted], "\(stop)")
      #expect(try lab.results(database).rows.allSatisfy { $0.failure == nil }, "\(stop)")
    }
  }

  @Test("Interrupted again and again in one database, a little later each time")
  func interruptedRepeatedly() throws {
    let lab = try RunLab()
    _ = try lab.run(Self.spec)
    let expected = try lab.results().reproducible
    var attempts = 0
    var isInterrupted = true
    while isInterrupted && attempts < 100 {
      attempts += 1
      isInterrupted =
        try lab.run(Self.spec, into: "often.sqlite", interruptedAt: 3 * attempts)
        .summary.isInterrupted
    }
    #expect(!isInterrupted && attempts > 2)
    #expect(try lab.results("often.sqlite").reproducible == expected)
    #expect(try lab.runs("often.sqlite").count == attempts)
  }

  @Test("A run adds the kinds that a cell lacks, and only these")
  func addedKinds() throws {
    let lab = try RunLab()
    let spec = { (metrics: String) in
      RunLab.spec(
        strategies: [RunLab.streaming], tasks: [RunLab.perplexity("prefill")],
        rest: #", "metrics": [\#(metrics)]"#)
    }
    _ = try lab.run(spec(#""latency""#))
    var rows = try lab.results().rows
    #expect(rows.map { Set($0.kinds.keys) } == [[.latency], [.latency]])
    #expect(rows.allSatisfy { $0.units.isEmpty && $0.heads.isEmpty && $0[.perplexity] == nil })
    #expect(rows.allSatisfy { $0[.timeToFirstToken] != nil })

    #expect(try lab.run(spec(#""latency""#)).summary.skipped == 2)
    let quality = try lab.run(spec(#""quality", "memory", "latency""#))
    #expect(quality.summary.finished == 2 && quality.summary.skipped == 0)
    rows = try lab.results().rows
    for row in rows {
      #expect(row.kinds[.latency] == 1 && row.kinds[.quality] == 3 && row.kinds[.memory] == 3)
      #expect(row.kinds[.approximation] == nil && row.heads.isEmpty)
      #expect(row[.perplexity] != nil && row[.kvCacheResidentBytes] != nil)
      #expect(row[.relativeOutputError] == nil)
    }
    #expect(try lab.results().timingGroups.count == 1)

    _ = try lab.run(spec(#""approximation", "quality", "memory", "latency""#))
    rows = try lab.results().rows
    #expect(rows.allSatisfy { Set($0.kinds.keys) == Set(ResultKind.allCases) })
    #expect(rows.allSatisfy { $0.kinds[.approximation] == 4 && $0.kinds[.latency] == 1 })

    // The same as all at once.
    _ = try lab.run(spec(#""approximation", "quality", "memory", "latency""#), into: "all.sqlite")
    #expect(try lab.results("all.sqlite").reproducible == lab.results().reproducible)
  }

  @Test("Only quality or only memory is enough of a question", arguments: ["quality", "memory"])
  func oneKind(_ metric: String) throws {
    let lab = try RunLab()
    let spec = RunLab.spec(
      strategies: [RunLab.streaming], tasks: [RunLab.perplexity("continuation")],
      rest: #", "metrics": ["\#(metric)"]"#)
    #expect(try lab.run(spec).summary.finished == 2)
    let results = try lab.results()
    #expect(results.timingGroups.isEmpty)
    for row in results.rows {
      #expect(row.kinds[ResultKind(rawValue: metric)!] == 1)
      #expect(row.kinds[.approximation] == nil && row.kinds[.latency] == nil)
      // Memory has a pass of its own where nothing is timed.
      for column: ComparisonColumn in [.kvCacheResidentBytes, .peakResidentBytes, .workspaceBytes] {
        #expect((row[column] != nil) == (metric == "memory"), "\(column.rawValue)")
      }
      #expect(row[.perplexity] != nil || metric == "memory")
    }
    #expect(try lab.run(spec).summary.skipped == 2)
  }

  @Test(
    "A matched strategy gets what it needs though the spec does not ask for it, and no more",
    arguments: [("kvBytes", ResultKind.memory), ("density", .approximation)])
  func matchingWithoutItsKinds(use: String, needed: ResultKind) throws {
    let lab = try RunLab()
    let run = try lab.run(
      RunLab.spec(
        strategies: [
          RunLab.tca,
          #"{"name": "streaming-llm", "sinks": 4, "budget": {"matching": "tca", "of": "\#(use)"}}"#,
        ], tasks: [RunLab.perplexity("prefill")], rest: #", "metrics": ["latency"]"#))
    #expect(run.summary.failed == 0 && run.summary.finished == 3)
    let results = try lab.results()
    #expect(results.rows.allSatisfy { $0.kinds[.latency] == 1 })
    #expect(Set(try results.row("tca").kinds.keys) == [.latency, needed])
  }

  @Test("Fresh runs all cells again; older figures stay, the newest are shown")
  func fresh() throws {
    let lab = try RunLab()
    _ = try lab.run(Self.spec)
    let before = try lab.results()
    let again = try lab.run(Self.spec, isFresh: true)
    let after = try lab.results()
    #expect(again.summary.finished == 4 && again.summary.skipped == 0)
    #expect(before.rows.allSatisfy { $0.kinds.values.allSatisfy { $0 == 1 } })
    #expect(after.rows.allSatisfy { $0.kinds.values.allSatisfy { $0 == 2 } })
    #expect(after.reproducible == before.reproducible)
    let store = try lab.runs()
    #expect(store.map(\.id) == [1, 2])
    #expect(again.notes.contains { $0.hasPrefix("calibrating") }, "fresh is all of it")
    #expect(try lab.run(Self.spec).summary.skipped == 4)
  }

  @Test(
    "A matched cell is measured again where its reference came out otherwise since, and only there",
    arguments: [("prefill", "keptTokens"), ("continuation", "globalMeanKVCacheLogicalBytes")])
  func referenceMeasuredAnew(scoring: String, matched: String) throws {
    let lab = try RunLab()
    let spec = { (strategies: [String]) in
      RunLab.spec(strategies: strategies, tasks: [RunLab.perplexity(scoring)])
    }
    let whole = spec([RunLab.streaming, RunLab.tca, RunLab.matching])
    #expect(try lab.run(whole).summary.finished == 4)
    _ = try lab.run(spec([RunLab.tca]), isFresh: true)
    #expect(try lab.run(whole).summary == RunSummary(finished: 0, skipped: 4))
    // As another build of the second run would have measured it.
    try DatabaseQueue(path: lab.folder.path("results.sqlite")).write {
      try $0.execute(
        sql: """
          UPDATE measurement SET value = 0.9 * value WHERE run_id = 2 AND name = ?
            AND cell_id = (SELECT id FROM cell WHERE strategy = 'tca')
          """, arguments: [matched])
    }
    #expect(try lab.run(whole).summary == RunSummary(finished: 1, skipped: 3))
    let rows = try lab.results().rows
    for row in rows {
      let isAnew = row.planned.matchedIdentity != nil
      // Full is timed once more beside it.
      for (kind, run) in row.kinds where kind != .latency || !row.isFull {
        #expect((run == 4) == isAnew, "\(row.planned.label) \(kind)")
      }
      if isAnew && scoring == "continuation" {
        let reference = rows.first { $0.planned.cell.identity == row.planned.matchedIdentity }
        #expect(row[.matchedKVCacheBytes] == reference?[.globalMeanKVCacheLogicalBytes])
      }
    }
    #expect(try lab.run(whole).summary == RunSummary(finished: 0, skipped: 4))
  }

  @Test("A strategy that comes later is timed in a new group, with full again")
  func laterStrategy() throws {
    let lab = try RunLab()
    let tasks = [RunLab.perplexity("prefill")]
    _ = try lab.run(RunLab.spec(strategies: [RunLab.streaming], tasks: tasks))
    let later = try lab.run(
      RunLab.spec(strategies: [RunLab.streaming, RunLab.tca], tasks: tasks))
    #expect(later.summary.finished == 1 && later.summary.skipped == 2)
    let results = try lab.results()
    #expect(results.timingGroups.count == 2)
    let full = try results.row("full").planned.cell.identity
    let tca = try results.row("tca")
    #expect(
      Set(results.timingGroups[1].group.samples.map(\.identity))
        == [full, tca.planned.cell.identity])
    #expect(tca[.timeToFirstTokenRatio] != nil)
  }
}
