import GRDB
import Records

/// Puts together all that is stored of an experiment: the newest figures, or those of one run alone.
struct ExperimentReader {
  let database: Database
  /// Row of `experiment`.
  let experiment: Int64
  /// Nil for the newest figures.
  let run: Int64?

  func results() throws -> ExperimentResults {
    let record = try experimentRecord()
    let planned = try plannedCells()
    var rows: [ComparisonRow] = []
    let figures = run == nil ? try newestFigures(of: record.name) : [:]
    let groups = try timingGroups()
    for (position, cell) in planned {
      var row = ComparisonRow(
        planned: cell, kinds: try kinds(of: cell), heads: try heads(of: cell),
        units: try units(of: cell), failure: try failure(of: cell))
      if run == nil {
        row.figures = figures[position] ?? [:]
      } else {
        row.figures =
          FigureSummary(
            measurements: try measurements(of: cell), heads: row.heads, units: row.units,
            group: groups.last { $0.counts(cell.cell.identity) }?.group,
            identity: cell.cell.identity, fullIdentity: cell.fullIdentity
          ).figures
      }
      rows.append(row)
    }
    if run != nil { FigureSummary.addRatios(to: &rows) }
    return ExperimentResults(
      experiment: record, runs: try runs(behind: rows, groups, of: record.name), rows: rows,
      timingGroups: groups,
      calibrations: try calibrations())
  }

  private func experimentRecord() throws -> ExperimentRecord {
    let row = try Row.fetchOne(
      database,
      sql: """
        SELECT experiment.name, experiment.question,
          (SELECT spec FROM run WHERE experiment_id = experiment.id AND (?2 IS NULL OR id = ?2)
           ORDER BY id DESC LIMIT 1) AS spec
        FROM experiment WHERE id = ?1
        """, arguments: [experiment, run])
    guard let row else { throw UnreadableValue(column: "experiment.id", value: "\(experiment)") }
    return ExperimentRecord(
      name: try row.value("name"), question: try row.value("question"),
      spec: try row.value("spec", as: String?.self) ?? "")
  }

  private func plannedCells() throws -> [(position: Int, cell: PlannedCell)] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT planned.position, cell.*, planned.model AS planned_model, planned.label, planned.task_label,
          dense.identity AS full_identity, matched.identity AS matched_identity
        FROM experiment_cell AS planned
        JOIN cell ON cell.id = planned.cell_id
        JOIN cell AS dense ON dense.id = planned.full_cell_id
        LEFT JOIN cell AS matched ON matched.id = planned.matched_cell_id
        WHERE planned.experiment_id = ?1 AND (?2 IS NULL
          OR EXISTS (SELECT 1 FROM cell_kind WHERE cell_id = cell.id AND run_id = ?2)
          OR EXISTS (SELECT 1 FROM failure WHERE cell_id = cell.id AND run_id = ?2))
        ORDER BY planned.position
        """, arguments: [experiment, run]
    ).map { (try $0.value("position"), try PlannedCell(row: $0)) }
  }

  /// The `comparison` view, by position.
  private func newestFigures(of name: String) throws -> [Int: [ComparisonColumn: Double]] {
    var all: [Int: [ComparisonColumn: Double]] = [:]
    for row in try Row.fetchAll(
      database, sql: "SELECT * FROM comparison WHERE experiment = ?", arguments: [name])
    {
      var figures: [ComparisonColumn: Double] = [:]
      for column in ComparisonColumn.allCases {
        figures[column] = try row.value(column.rawValue, as: Double?.self)
      }
      all[try row.value("position")] = figures
    }
    return all
  }

  private func kinds(of planned: PlannedCell) throws -> [ResultKind: Int64] {
    var kinds: [ResultKind: Int64] = [:]
    for row in try Row.fetchAll(
      database.cachedStatement(
        sql: """
          SELECT kind, max(run_id) AS run_id FROM cell_kind
          JOIN cell ON cell.id = cell_kind.cell_id
          WHERE identity = ?1 AND (?2 IS NULL OR run_id = ?2) GROUP BY kind
          """), arguments: [planned.cell.identity, run])
    {
      kinds[try row.word("kind")] = try row.value("run_id")
    }
    return kinds
  }

  private func heads(of planned: PlannedCell) throws -> [HeadMeasurement] {
    try Row.fetchAll(
      database.cachedStatement(
        sql: """
          SELECT head.* FROM cell JOIN head_measurement AS head ON head.cell_id = cell.id
          WHERE identity = ?1 AND run_id = coalesce(?2,
            (SELECT max(run_id) FROM head_measurement AS other
             WHERE other.cell_id = head.cell_id AND other.setting = head.setting
               AND other.phase = head.phase))
          ORDER BY setting, phase DESC, layer, query_head
          """), arguments: [planned.cell.identity, run]
    ).map(HeadMeasurement.init(row:))
  }

  private func units(of planned: PlannedCell) throws -> [ScoredUnit] {
    try Row.fetchAll(
      database.cachedStatement(
        sql: """
          SELECT sample.number AS sample, unit.* FROM cell
          JOIN sample ON sample.cell_id = cell.id
          JOIN unit ON unit.sample_id = sample.id
          WHERE identity = ?1 AND sample.run_id = coalesce(?2,
            (SELECT max(run_id) FROM sample AS other WHERE other.cell_id = cell.id))
          ORDER BY sample.number, unit.number
          """), arguments: [planned.cell.identity, run]
    ).map(ScoredUnit.init(row:))
  }

  private func measurements(of planned: PlannedCell) throws -> [Measurement] {
    try Row.fetchAll(
      database.cachedStatement(
        sql: """
          SELECT measurement.* FROM measurement JOIN cell ON cell.id = measurement.cell_id
          WHERE identity = ?1 AND run_id = ?2 ORDER BY measurement.id
          """), arguments: [planned.cell.identity, run]
    ).map(Measurement.init(row:))
  }

  private func failure(of planned: PlannedCell) throws -> StoredFailure? {
    try Row.fetchOne(
      database.cachedStatement(
        sql: """
          SELECT failure.* FROM cell
          JOIN \(run == nil ? "current_failure" : "failure") AS failure
            ON failure.cell_id = cell.id
          WHERE identity = ?1 AND (?2 IS NULL OR run_id = ?2) ORDER BY failure.id DESC LIMIT 1
          """), arguments: [planned.cell.identity, run]
    ).map { StoredFailure(run: try $0.value("run_id"), reason: try $0.value("reason")) }
  }

  /// The newest group of each cell, or all groups of the run.
  private func timingGroups() throws -> [StoredTimingGroup] {
    let groups = try Row.fetchAll(
      database,
      sql: """
        SELECT timing_group.* FROM timing_group
        WHERE run_id = ?2 OR (?2 IS NULL AND id IN (
          SELECT max(timing_group_id) FROM timing
          JOIN experiment_cell ON experiment_cell.cell_id = timing.cell_id
          WHERE experiment_cell.experiment_id = ?1 AND is_warmup = 0
          GROUP BY timing.cell_id))
        ORDER BY id
        """, arguments: [experiment, run])
    return try groups.map { group in
      let id: Int64 = try group.value("id")
      let samples = try Row.fetchAll(
        database,
        sql: """
          SELECT timing.*, cell.identity FROM timing JOIN cell ON cell.id = timing.cell_id
          WHERE timing_group_id = ?1 AND timing.cell_id IN
            (SELECT cell_id FROM experiment_cell WHERE experiment_id = ?2)
          ORDER BY position
          """, arguments: [id, experiment]
      ).map(TimingSample.init(row:))
      var measurements: [String: [Measurement]] = [:]
      for row in try Row.fetchAll(
        database,
        sql: """
          SELECT measurement.*, cell.identity FROM measurement
          JOIN cell ON cell.id = measurement.cell_id
          WHERE timing_group_id = ?1 AND measurement.cell_id IN
            (SELECT cell_id FROM experiment_cell WHERE experiment_id = ?2)
          ORDER BY measurement.id
          """, arguments: [id, experiment])
      {
        measurements[try row.value("identity"), default: []].append(try Measurement(row: row))
      }
      return StoredTimingGroup(
        id: id, run: try group.value("run_id"),
        group: TimingGroup(
          threads: try group.value("threads"), samples: samples, measurements: measurements))
    }
  }

  private func runs(
    behind rows: [ComparisonRow], _ groups: [StoredTimingGroup], of experiment: String
  ) throws -> [StoredRun] {
    let behind = Set(rows.flatMap(\.kinds.values)).union(groups.map(\.run))
    return try StoredRun.all(in: database).filter { stored in
      run.map { stored.id == $0 } ?? (behind.contains(stored.id) || stored.experiment == experiment)
    }
  }

  /// The newest calibration of each identity, for the models and strategies of the plan.
  private func calibrations() throws -> [CalibrationRecord] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT * FROM calibration
        WHERE id IN (SELECT max(id) FROM calibration GROUP BY identity)
          AND EXISTS (
            SELECT 1 FROM experiment_cell JOIN cell ON cell.id = experiment_cell.cell_id
            WHERE experiment_id = ? AND cell.strategy = calibration.strategy
              AND cell.model_digest = calibration.model_digest)
        ORDER BY id
        """, arguments: [experiment]
    ).map(CalibrationRecord.init(row:))
  }
}

extension StoredTimingGroup {
  /// True where a cell has counted samples in the group.
  func counts(_ identity: String) -> Bool {
    group.samples.contains { $0.identity == identity && !$0.isWarmup }
  }
}
