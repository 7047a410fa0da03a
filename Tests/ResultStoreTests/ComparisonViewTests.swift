import Foundation
import GRDB
import Records
import Testing

@testable import ResultStore

@Suite("Views")
struct ComparisonViewTests {
  let folder = TemporaryFolder()
  typealias Example = ExampleExperiment

  private func filledStore() throws -> ResultStore {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    for cell in Example.cells { try store.store(Example.results(cell), run: run) }
    for context in [512, 1024] {
      for task in Example.tasks.indices {
        try store.store(Example.timingGroup(context: context, task: task), run: run)
      }
    }
    return store
  }

  @Test(
    "comparison has the columns of ComparisonColumn, in that order, between names and identities")
  func columns() throws {
    let store = try filledStore()
    let columns = try store.read { try $0.columns(in: "comparison").map(\.name) }
    let names = [
      "experiment", "model", "context_length", "strategy", "task", "protocol", "query_aware",
      "cache", "match_status", "cluster_kind",
    ]
    let rest = [
      "position", "strategy_name", "strategy_role", "strategy_parameters", "task_name",
      "task_parameters", "selection_looks_ahead", "reads_future", "cell", "full_cell", "failure",
    ]
    #expect(columns == names + ComparisonColumn.allCases.map(\.rawValue) + rest)
  }

  @Test(
    "comparison agrees with the same arithmetic outside the database, for every cell and column")
  func againstReference() throws {
    let store = try filledStore()
    let view = try store.results(of: "example")
    #expect(view.rows.count == 24)
    #expect(try store.results(ofRun: 1) == view)
    var reference = view.rows
    for index in reference.indices {
      let planned = reference[index].planned
      let group = view.newestGroup(of: planned.cell.identity)?.group
      let results = Example.results(planned)
      reference[index].figures =
        FigureSummary(
          measurements: results.measurements
            + (group?.measurements[planned.cell.identity] ?? []),
          heads: results.heads, units: results.units, group: group,
          identity: planned.cell.identity, fullIdentity: planned.fullIdentity
        ).figures
    }
    FigureSummary.addRatios(to: &reference)
    FigureSummary.addIntervals(to: &reference)
    #expect(reference.contains { $0[.perplexityRatioLow] != nil })
    for (row, expected) in zip(view.rows, reference) {
      for column in ComparisonColumn.allCases {
        let place: Comment = "\(row.planned.cell.identity), \(column.rawValue)"
        guard let value = row[column], let other = expected[column] else {
          #expect(row[column] == nil && expected[column] == nil, place)
          continue
        }
        // The view has Student's t by a series that is good to 3e-5 of the interval.
        let isEnd = [.perplexityRatioLow, .perplexityRatioHigh].contains(column)
        let width = (expected[.perplexityRatioHigh] ?? 0) - (expected[.perplexityRatioLow] ?? 0)
        let slack = isEnd ? 3e-5 * width : 1e-12 * max(1, abs(other))
        #expect(abs(value - other) <= slack, place)
      }
    }
  }

  @Test(
    "Reading an experiment or a run looks its cells up and goes through no whole table",
    arguments: [true, false])
  func growth(isRunAlone: Bool) throws {
    let store = try filledStore()
    let scope = Scope(run: 1, isRunAlone: isRunAlone)
    let key = ["comparison": "position"]
    let steps = try store.read { database in
      try [
        "comparison", "newest_kind", "newest_head_measurement", "newest_kept_tokens", "newest_unit",
        "newest_timing",
        "current_failure",
      ].flatMap { view in
        let query =
          "SELECT * FROM experiment_cell JOIN \(view) USING (\(key[view] ?? "cell_id"))"
        return try Row.fetchAll(
          database, sql: "EXPLAIN QUERY PLAN " + scope.narrowed(query), arguments: ["run": 1]
        ).map { try $0.value("detail", as: String.self) }
      }
    }
    let tables = try store.read { database in
      try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    let names = Set(tables + ["head", "dense", "other", "later", "own", "full_cell", "asked"])
    let scans = steps.filter { step in
      let words = step.split(separator: " ")
      return words.first == "SCAN" && words.count > 1 && names.contains(String(words[1]))
    }
    #expect(!steps.isEmpty && scans.isEmpty, "\(scans)")
  }

  @Test("comparison's figures are those that were worked out by hand")
  func knownValues() throws {
    let row = try filledStore().results(of: "example").rows[7]  // 512, continuation, tca 0.9
    #expect(row.planned.label == "tca threshold=0.9")
    func expect(_ column: ComparisonColumn, _ value: Double?) {
      guard let value, let stored = row[column] else {
        #expect(row[column] == nil && value == nil, "\(column.rawValue)")
        return
      }
      #expect(abs(stored - value) < 1e-9, "\(column.rawValue): \(stored)")
    }
    // Heads 1…6 of step 3: mean 3 · 3.5 %, worst query 4 · 3 · 6 %.
    expect(.relativeOutputError, 0.105)
    expect(.worstRelativeOutputError, 0.72)
    expect(.propagatedRelativeOutputError, 0.21)
    expect(.decodeRelativeOutputError, 0.315)
    expect(.propagatedDecodeWorstRelativeOutputError, 4.32)
    expect(.droppedMass, 0.0525)
    expect(.worstDroppedMass, 0.54)
    expect(.worstOutputCosine, 0.91)
    expect(.boundRatio, 0.36)
    expect(.density, 0.25)
    expect(.kvCacheResidentBytes, 250_000)
    expect(.kvCacheResidentBytesRatio, 0.25)
    expect(.finalKVCacheResidentBytes, 254_096)
    expect(.peakResidentBytes, 2.97e8)
    expect(.perplexity, 17)
    expect(.perplexityRatio, 17.0 / 14)
    expect(.logitKL, 0.03)
    expect(.logitKLP95, 0.15)
    expect(.score, nil)
    // Machine factors of the counted repetitions: 1.3, 1.2 and 1.1; of step 3: 0.35 of them.
    expect(.timeToFirstToken, 0.42)
    expect(.timeToFirstTokenRatio, 0.7)
    expect(.attentionTimeRatio, 0.25)
    expect(.attentionAndSelectionTimeRatio, 0.25 + 0.01 / 0.3)
    expect(.selectionTimeRatio, nil)
    expect(.prefillTokensPerSecond, 512 / 0.42)
    expect(.sampleCount, 8)
    expect(.unitCount, 16)
    expect(.repeatCount, 3)
  }

  @Test("Dropped mass is null where no head has it, and a cell without figures still has its row")
  func nulls() throws {
    let store = try filledStore()
    let rows = try store.results(of: "example").rows
    #expect(rows[1][.droppedMass] == nil)
    #expect(rows[1][.boundRatio] == nil)
    let empty = try ResultStore(path: folder.file("other.sqlite"), access: .writing)
    _ = try empty.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    let row = try #require(try empty.results(of: "example").rows.first)
    #expect(row.figures.isEmpty)
  }

  @Test(
    "Times come from the newest group of a cell, ratios from that group alone, repeat by repeat")
  func newestGroup() throws {
    let store = try filledStore()
    let before = try store.results(of: "example").rows[3]
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    try store.store(Example.timingGroup(context: 512, task: 0, drift: 9), run: run)
    let results = try store.results(of: "example")
    let after = results.rows[3]
    #expect(after[.timeToFirstToken]! > 5 * before[.timeToFirstToken]!)
    #expect(abs(after[.timeToFirstTokenRatio]! - before[.timeToFirstTokenRatio]!) < 1e-12)
    #expect(results.newestGroup(of: after.planned.cell.identity)?.run == run)
    // A group without full gives times but no ratio.
    var lone = Example.timingGroup(context: 512, task: 0)
    lone.samples.removeAll { $0.identity == after.planned.fullIdentity }
    try store.store(lone, run: run)
    #expect(try store.results(of: "example").rows[3][.timeToFirstTokenRatio] == nil)
    #expect(try store.results(of: "example").rows[3][.timeToFirstToken] != nil)
  }

  @Test("An even number of repeats gives the mean of the middle two")
  func evenMedian() throws {
    let store = try filledStore()
    var group = Example.timingGroup(context: 512, task: 0)
    group.samples.removeAll { $0.repetition == 2 }
    try store.store(group, run: 1)
    let full = try store.results(of: "example").rows[0]
    #expect(abs(full[.timeToFirstToken]! - 0.5 * (1.3 + 1.2) / 2) < 1e-12)
    #expect(full[.repeatCount] == 2)
  }

  @Test("pareto keeps exactly the strategies that no other one beats")
  func pareto() throws {
    let store = try filledStore()
    let rows = try store.read { database in
      try Row.fetchAll(
        database, sql: "SELECT * FROM pareto WHERE context_length = 512 AND protocol = 'prefill'")
    }
    let comparison = try store.results(of: "example").rows.filter {
      $0.planned.cell.contextLength == 512 && $0.planned.cell.taskProtocol == "prefill"
    }
    for cost in ["kv_cache_resident_bytes", "density", "time_to_first_token_ratio"] {
      for quality in ["relative_output_error", "perplexity"] {
        let costColumn = try #require(ComparisonColumn(rawValue: cost))
        let qualityColumn = try #require(ComparisonColumn(rawValue: quality))
        let expected = comparison.filter { row in
          !comparison.contains { other in
            other[costColumn]! <= row[costColumn]! && other[qualityColumn]! <= row[qualityColumn]!
              && (other[costColumn]! < row[costColumn]!
                || other[qualityColumn]! < row[qualityColumn]!)
          }
        }
        let found = rows.filter { $0["cost"] == cost && $0["quality"] == quality }
        #expect(
          Set(found.map { $0["strategy"] as String }) == Set(expected.map(\.planned.label)),
          "\(cost), \(quality)")
      }
    }
    // All strategies take the same time per output token: only full, the best, is left.
    let same = rows.filter { $0["cost"] == "time_per_output_token_ratio" }
    #expect(Set(same.map { $0["strategy"] as String }) == ["full"])
  }

  @Test("pareto leaves out what left nothing of the prompt out, where that is what was measured")
  func paretoOfLateActors() throws {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    let late = "streaming-llm matching tca threshold=0.9"
    for cell in Example.cells {
      var results = Example.results(cell)
      if cell.label == late {
        // Full attention's error and likelihood, in fewer bytes.
        let full = try #require(
          Example.cells.first { $0.cell.identity == cell.fullIdentity })
        let fullResults = Example.results(full)
        results.measurements =
          results.measurements.filter { $0.name.hasPrefix("kv") || $0.name == "score" }
          + fullResults.measurements.filter { !$0.name.hasPrefix("kv") && $0.name != "score" }
        results.heads = fullResults.heads
        for head in results.heads.indices { results.heads[head].nominalDensity = 1 }
      }
      try store.store(results, run: run)
    }
    let rows = try store.read { database in
      try Row.fetchAll(
        database,
        sql: """
          SELECT quality || ' ' || coalesce(protocol, 'none') || ' ' || strategy AS place FROM pareto
          WHERE context_length = 512 AND cost = 'kv_cache_resident_bytes'
          """)
    }
    let places = rows.map { $0["place"] as String }
    #expect(!places.contains("perplexity prefill \(late)"))
    #expect(places.contains("perplexity continuation \(late)"))
    for taskProtocol in ["prefill", "continuation", "none"] {
      #expect(!places.contains("relative_output_error \(taskProtocol) \(late)"))
    }
    // Full attention competes with its own, as ever.
    #expect(places.contains("perplexity prefill full"))
  }

  @Test("head_summary has a row for each head, setting and phase of each cell")
  func headSummary() throws {
    let count = try filledStore().read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM head_summary")
    }
    #expect(count == 24 * 2 * 2 * 6)
  }
}

extension ExperimentResults {
  /// The newest in which a cell has counted samples.
  fileprivate func newestGroup(of identity: String) -> StoredTimingGroup? {
    timingGroups.last { stored in
      stored.group.samples.contains { $0.identity == identity && !$0.isWarmup }
    }
  }
}
