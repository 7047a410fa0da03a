import GRDB
import JSON
import Records

/// Puts together all that is stored of an experiment: the newest figures, or those of one run alone.
struct ExperimentReader {
  let database: Database
  /// The run whose plan is read; its experiment's newest unless figures of that run alone are asked for.
  let run: StoredRun
  let isRunAlone: Bool

  private var scope: Scope { Scope(run: run.id, isRunAlone: isRunAlone) }

  func results() throws -> ExperimentResults {
    // First what is checked: the view's figures are sums of the same rows.
    let heads = try heads()
    let units = try units()
    let kept = try kept()
    let figures = try self.figures()
    let kinds = try self.kinds()
    let failures = try failures()
    let groups = try timingGroups()
    let rows = try plannedCells().map { cell, position, planned in
      ComparisonRow(
        planned: planned, figures: figures[position]?.values ?? [:],
        matchStatus: figures[position]?.matchStatus, kinds: kinds[cell] ?? [:],
        heads: heads[cell] ?? [], units: units[cell] ?? [], kept: kept[cell] ?? [],
        failure: failures[cell])
    }
    return ExperimentResults(
      experiment: try experimentRecord(), runs: try runs(behind: rows, groups), rows: rows,
      timingGroups: groups, calibrations: try calibrations())
  }

  private func rows(_ query: String) throws -> [Row] { try scope.rows(query, in: database) }

  /// What a query with a `cell_id` gives, by cell.
  private func byCell<Value>(
    _ query: String, _ value: (Row) throws -> Value
  ) throws -> [Int64: [Value]] {
    try rows(query).reduce(into: [:]) { values, row in
      values[try row.value("cell_id"), default: []].append(try value(row))
    }
  }

  private func experimentRecord() throws -> ExperimentRecord {
    let row = try Row.fetchOne(
      database,
      sql: """
        SELECT name, CAST(question AS BLOB) AS question, CAST(spec AS BLOB) AS spec
        FROM run JOIN experiment ON experiment.id = run.experiment_id WHERE run.id = ?
        """, arguments: [run.id])
    guard let row else { throw UnreadableValue(column: "run.id", value: "\(run.id)") }
    return ExperimentRecord(
      name: try row.value("name"), question: try row.value("question", as: WholeText.self).text,
      spec: try row.value("spec", as: WholeText.self).text)
  }

  private func plannedCells() throws -> [(cell: Int64, position: Int, planned: PlannedCell)] {
    try rows(
      """
      SELECT planned.position, planned.cell_id, cell.identity, cell.model_digest,
        cell.context_length, cell.strategy, cell.strategy_parameters, cell.task,
        cell.protocol AS task_protocol, cell.task_parameters, cell.query_aware,
        cell.selection_looks_ahead, cell.strategy_role, cell.reads_future, cell.seed,
        planned.model, planned.label, planned.task_label, dense.identity AS full_identity,
        matched.identity AS matched_identity
      FROM experiment_cell AS planned
      JOIN cell ON cell.id = planned.cell_id
      JOIN cell AS dense ON dense.id = planned.full_cell_id
      LEFT JOIN cell AS matched ON matched.id = planned.matched_cell_id
      ORDER BY planned.position
      """
    ).map { (try $0.value("cell_id"), try $0.value("position"), try PlannedCell(row: $0)) }
  }

  /// The `comparison` view, by position.
  private func figures() throws -> [Int: (
    values: [ComparisonColumn: Double], matchStatus: MatchStatus?
  )] {
    try rows("SELECT * FROM comparison").reduce(into: [:]) { all, row in
      var figures: [ComparisonColumn: Double] = [:]
      for column in ComparisonColumn.allCases {
        figures[column] = try row.value(column.rawValue, as: Double?.self)
      }
      all[try row.value("position")] = (
        figures, try row.value("match_status", as: MatchStatus?.self)
      )
    }
  }

  private func kinds() throws -> [Int64: [ResultKind: Int64]] {
    try byCell(
      "SELECT DISTINCT newest_kind.* FROM experiment_cell JOIN newest_kind USING (cell_id)"
    ) { row in
      (try row.value("kind", as: ResultKind.self), try row.value("run_id", as: Int64.self))
    }.mapValues { Dictionary($0, uniquingKeysWith: { first, _ in first }) }
  }

  private func heads() throws -> [Int64: [HeadMeasurement]] {
    try byCell(
      """
      SELECT head.* FROM experiment_cell JOIN newest_head_measurement AS head USING (cell_id)
      ORDER BY head.cell_id, setting, phase DESC, layer, query_head
      """
    ) { row in
      let head = try HeadMeasurement(row: row)
      guard head.isSound else {
        let cell: Int64 = try row.value("cell_id")
        throw UnreadableValue(
          column: "layer or query_head",
          value: "cell \(cell), layer \(head.layer), query_head \(head.queryHead)")
      }
      return head
    }
  }

  private func units() throws -> [Int64: [ScoredUnit]] {
    try byCell(
      """
      SELECT cell_id, sample, number AS "index", place, tokens, negative_log_likelihood,
        logit_kl AS logitKL, top_one_agreements, score, CAST(answer AS BLOB) AS answer,
        CAST(expected AS BLOB) AS expected
      FROM experiment_cell JOIN newest_unit USING (cell_id)
      ORDER BY cell_id, sample, number
      """
    ) { row in
      let unit = try ScoredUnit(row: row)
      guard unit.isSound else {
        let cell: Int64 = try row.value("cell_id")
        throw UnreadableValue(
          column: "sample, number, tokens or top_one_agreements",
          value: "cell \(cell), sample \(unit.sample), number \(unit.index), "
            + "tokens \(unit.tokens), top_one_agreements \(unit.topOneAgreements ?? 0)")
      }
      return unit
    }
  }

  private func kept() throws -> [Int64: [KeptTokens]] {
    try byCell(
      """
      SELECT kept.* FROM experiment_cell JOIN newest_kept_tokens AS kept USING (cell_id)
      ORDER BY kept.cell_id, layer, kv_head
      """
    ) { row in
      let kept = try KeptTokens(row: row)
      guard kept.isSound else {
        throw UnreadableValue(column: "percentages", value: "\(kept)")
      }
      return kept
    }
  }

  private func failures() throws -> [Int64: StoredFailure] {
    try byCell(
      """
      SELECT cell_id, run_id, CAST(reason AS BLOB) AS reason
      FROM experiment_cell JOIN current_failure USING (cell_id)
      """
    ) { row in
      StoredFailure(
        run: try row.value("run_id"), reason: try row.value("reason", as: WholeText.self).text)
    }.compactMapValues(\.last)
  }

  /// The newest group of each cell, oldest first.
  private func timingGroups() throws -> [StoredTimingGroup] {
    let samples = try timed("timing", orderedBy: "position")
    let controls = try timed("control_timing", orderedBy: "is_warmup DESC, timing.repetition")
    // By way of the plan's cells: by their group they would be looked for in the whole table.
    let stored = try Dictionary(
      grouping: rows(
        """
        SELECT measurement.*, cell.identity
        FROM (SELECT DISTINCT cell_id FROM experiment_cell) JOIN measurement USING (cell_id)
        JOIN cell ON cell.id = cell_id
        WHERE timing_group_id IS NOT NULL ORDER BY measurement.id
        """), by: { try $0.value("timing_group_id") as Int64 })
    return try rows(
      """
      SELECT DISTINCT timing_group.id, timing_group.run_id, timing_group.threads
      FROM experiment_cell JOIN newest_timing USING (cell_id)
      JOIN timing_group ON timing_group.id = timing_group_id
      JOIN run ON run.id = timing_group.run_id
      ORDER BY run.started_at, run.identity, timing_group.id
      """
    ).map { group in
      let id: Int64 = try group.value("id")
      var measurements: [String: [Measurement]] = [:]
      for row in stored[id] ?? [] {
        measurements[try row.value("identity"), default: []].append(try Measurement(row: row))
      }
      let own = try (samples[id] ?? []).map(TimingSample.init(row:))
      let second = try (controls[id] ?? []).map(TimingSample.init(row:))
      let shown = Set(own.map(\.identity))
      return StoredTimingGroup(
        id: id, run: try group.value("run_id"),
        group: TimingGroup(
          threads: try group.value("threads"), samples: own, controls: second,
          measurements: measurements.filter { shown.contains($0.key) }))
    }
  }

  /// The plan's rows of a table of timings, by the groups that are the newest of any cell.
  private func timed(_ table: String, orderedBy order: String) throws -> [Int64: [Row]] {
    try Dictionary(
      grouping: rows(
        """
        SELECT timing.*, cell.identity
        FROM (SELECT DISTINCT timing_group_id
          FROM experiment_cell JOIN newest_timing USING (cell_id)) AS shown
        JOIN \(table) AS timing USING (timing_group_id)
        JOIN cell ON cell.id = timing.cell_id
        WHERE timing.cell_id IN (SELECT cell_id FROM experiment_cell)
        ORDER BY timing_group_id, timing.\(order)
        """), by: { try $0.value("timing_group_id") as Int64 })
  }

  /// The runs behind the figures, and every run of the experiment itself.
  private func runs(
    behind rows: [ComparisonRow], _ groups: [StoredTimingGroup]
  ) throws -> [StoredRun] {
    if isRunAlone { return [run] }
    let behind = Set(rows.flatMap(\.kinds.values)).union(groups.map(\.run))
    return try StoredRun.all(
      in: database,
      where: """
        experiment.name = :name OR run.id IN (SELECT value FROM json_each(:behind))
        """,
      arguments: [
        "name": run.experiment, "behind": JSONValue.array(behind.map { .integer(Int($0)) }),
      ])
  }

  /// The newest calibration of each identity, for the models and strategies of the plan.
  private func calibrations() throws -> [CalibrationRecord] {
    try rows(
      """
      SELECT * FROM calibration
      WHERE NOT EXISTS (
          SELECT 1 FROM calibration AS other
          WHERE other.identity = calibration.identity
            AND (other.stored_at, other.evidence) > (calibration.stored_at, calibration.evidence))
        AND (strategy, model_digest) IN (
          SELECT cell.strategy, cell.model_digest
          FROM experiment_cell JOIN cell ON cell.id = experiment_cell.cell_id)
      ORDER BY stored_at, identity
      """
    ).map(CalibrationRecord.init(row:))
  }
}

/// A value in a row that no version of this program writes.
struct UnreadableValue: Error, CustomStringConvertible {
  var column: String
  var value: String

  var description: String { "column \(column) holds \"\(value.prefix(80))\"" }
}
