import Foundation
import GRDB
import JSON
import Records

extension ResultStore: ResultSink {
  /// Opens a run with the plan that it has: the given cells, in their order.
  ///
  /// A plan is stored once, however many runs have it, and none is ever changed. Every cell that another one refers
  /// to (`fullIdentity`, `matchedIdentity`) has to be stored or in the plan.
  public func beginRun(
    of experiment: ExperimentRecord, cells: [PlannedCell], provenance: Provenance
  ) throws -> Int64 {
    try write { database in
      try database.execute(
        sql: """
          INSERT INTO experiment (name, question) VALUES (CAST(?1 AS TEXT), CAST(?2 AS TEXT))
          ON CONFLICT (name) DO UPDATE SET question = excluded.question
          """, arguments: [WholeText(experiment.name), WholeText(experiment.question)])
      var run = try provenance.columns()
      run["experiment_id"] = try Int64.fetchOne(
        database, sql: "SELECT id FROM experiment WHERE name = ?", arguments: [experiment.name]
      )?.databaseValue
      run["plan_id"] = try planID(of: cells, in: database).databaseValue
      let identity = UUID().uuidString.lowercased()
      run["identity"] = identity.databaseValue
      run["machine"] = MachineIdentity.of(provenance).databaseValue
      run["process"] = RunningProcess.current?.description.databaseValue
      run["started_at"] =
        try time(after: "SELECT max(started_at) FROM run", in: database).databaseValue
      run["spec"] = experiment.spec.databaseValue
      // Before anybody can see the run.
      locks?.hold(identity)
      try database.insert(run, into: "run")
      return database.lastInsertedRowID
    }
  }

  /// The row of this plan, which is added where it is new.
  private func planID(of cells: [PlannedCell], in database: Database) throws -> Int64 {
    let identity = PlanIdentity.of(cells)
    if let known = try Int64.fetchOne(
      database, sql: "SELECT id FROM plan WHERE identity = ?", arguments: [identity])
    {
      return known
    }
    for planned in cells { try register(planned.cell, in: database) }
    try database.insert(["identity": identity.databaseValue], into: "plan")
    let plan = database.lastInsertedRowID
    for (position, planned) in cells.enumerated() {
      try database.insert(
        [
          "plan_id": plan.databaseValue, "position": position.databaseValue,
          "cell_id": cellID(planned.cell.identity, in: database).databaseValue,
          "model": planned.cell.model.databaseValue, "label": planned.label.databaseValue,
          "task_label": planned.taskLabel.databaseValue,
          "full_cell_id": cellID(planned.fullIdentity, in: database).databaseValue,
          "matched_cell_id": try planned.matchedIdentity.map { try cellID($0, in: database) }
            .databaseValue,
        ], into: "plan_cell")
    }
    return plan
  }

  private func register(_ cell: CellRecord, in database: Database) throws {
    let known = try database.cachedStatement(sql: "SELECT 1 FROM cell WHERE identity = ?")
    guard try Int.fetchOne(known, arguments: [cell.identity]) == nil else { return }
    var columns = try cell.columns()
    columns["protocol"] = columns.removeValue(forKey: "task_protocol")
    try database.insert(columns, into: "cell")
  }

  /// Now, or just after the time that a query gives where a clock says otherwise: the order of this file's runs is the
  /// order in which they were started, and what is stored last is the newest.
  private func time(
    after query: String, _ arguments: StatementArguments = [], in database: Database
  ) throws -> String {
    var time = timestamp()
    guard let newest = try String.fetchOne(database, sql: query, arguments: arguments),
      newest >= time
    else { return time }
    guard let newestDate = try? Date(newest, strategy: Self.timeFormat) else {
      throw UnreadableValue(column: "started_at", value: newest)
    }
    // A date that was read may be written as the millisecond before.
    var step = 1.0
    while newest >= time {
      time = newestDate.addingTimeInterval(0.001 * step).formatted(Self.timeFormat)
      step += 1
    }
    return time
  }

  public func storedKinds(of identities: [String]) throws -> [String: Set<ResultKind>] {
    try read { database in
      // The kinds of a cell in one row: a row for each would be sorted on disk, and read by name.
      let rows = try Row.fetchCursor(
        database,
        sql: """
          SELECT cell.identity,
            (SELECT group_concat(DISTINCT kind) FROM cell_kind
              WHERE cell_id = cell.id AND NOT EXISTS (
                SELECT 1 FROM current_failure AS failure
                WHERE failure.cell_id = cell.id AND (failure.kinds IS NULL
                  OR cell_kind.kind IN (SELECT value FROM json_each(failure.kinds))))
              AND NOT EXISTS (\(Self.movedMatch)))
          FROM json_each(?) AS asked JOIN cell ON cell.identity = asked.value
          """, arguments: [JSONValue.array(identities.map(JSONValue.string))])
      var stored: [String: Set<ResultKind>] = [:]
      while let row = try rows.next() {
        guard let kinds = row[1] as String? else { continue }
        stored[row[0]] = Set(
          try kinds.split(separator: ",").map { kind in
            guard let known = ResultKind(rawValue: String(kind)) else {
              throw UnreadableValue(column: "kind", value: String(kind))
            }
            return known
          })
      }
      return stored
    }
  }

  /// Figures that the budget of a cell, stored with the row `cell_kind`, matches and that are others by now: its reference
  /// was measured anew since. One that came out the same moves nothing.
  private static let movedMatch = """
    SELECT 1 FROM plan_cell CROSS JOIN newest_measurement AS figure
      ON figure.cell_id = plan_cell.matched_cell_id
    WHERE cell.strategy_parameters LIKE '%"matching"%' AND plan_cell.cell_id = cell.id
      AND figure.name IN ('keptTokens', 'globalMeanKVCacheLogicalBytes', 'nominalDensity')
      AND (figure.name <> 'nominalDensity' OR cell.strategy_parameters LIKE '%"of":"density"%')
      AND figure.run_id <> cell_kind.run_id AND figure.value <> (
        SELECT former.value FROM measurement AS former
        JOIN run AS earlier ON earlier.id = former.run_id JOIN run ON run.id = cell_kind.run_id
        WHERE former.cell_id = figure.cell_id AND former.name = figure.name
          AND former.statistic = figure.statistic AND former.setting IS figure.setting
          AND former.phase IS figure.phase
          AND (earlier.started_at, earlier.identity) <= (run.started_at, run.identity)
        ORDER BY earlier.started_at DESC, earlier.identity DESC, former.id DESC LIMIT 1)
    """

  /// Adds the figures of one cell; throws, and adds nothing, where one of them is not a number.
  public func store(_ results: CellResults, run: Int64) throws {
    try write { database in
      let cell = try cellID(results.identity, in: database)
      let owner = ["cell_id": cell, "run_id": run]
      try naming(results.identity) {
        for one in results.measurements { try database.insert(one, owner, into: "measurement") }
        for head in results.heads { try database.insert(head, owner, into: "head_measurement") }
        for kept in results.kept { try database.insert(kept, owner, into: "kept_tokens") }
        try insert(results.units, cell: cell, run: run, in: database)
      }
      try mark(results.kinds, cell: cell, run: run, in: database)
    }
  }

  /// Adds a timing group; marks latency as stored for every cell with a counted sample.
  public func store(_ group: TimingGroup, run: Int64) throws {
    try write { database in
      try database.insert(
        [
          "run_id": run.databaseValue, "threads": group.threads.databaseValue,
          "stored_at": timestamp().databaseValue,
        ], into: "timing_group")
      let groupID = database.lastInsertedRowID
      func add(_ sample: TimingSample, at position: Int? = nil, to table: String) throws {
        var columns = try sample.columns()
        columns["identity"] = nil
        columns["cell_id"] = try cellID(sample.identity, in: database).databaseValue
        columns["timing_group_id"] = groupID.databaseValue
        if let position { columns["position"] = position.databaseValue }
        try naming(sample.identity) { try database.insert(columns, into: table) }
      }
      for (position, sample) in group.samples.enumerated() {
        try add(sample, at: position, to: "timing")
      }
      for sample in group.controls { try add(sample, to: "control_timing") }
      for (identity, measurements) in group.measurements.sorted(by: { $0.key < $1.key }) {
        let cell = try cellID(identity, in: database)
        for measurement in measurements {
          try naming(identity) {
            try database.insert(
              measurement, ["cell_id": cell, "run_id": run, "timing_group_id": groupID],
              into: "measurement")
          }
        }
      }
      for identity in Set(group.samples.filter { !$0.isWarmup }.map(\.identity)).sorted() {
        try mark([.latency], cell: cellID(identity, in: database), run: run, in: database)
      }
    }
  }

  public func storeFailure(
    of identity: String, kinds: Set<ResultKind>, reason: String, run: Int64
  ) throws {
    try write { database in
      try database.insert(
        [
          "run_id": run.databaseValue,
          "cell_id": cellID(identity, in: database).databaseValue,
          "kinds": JSONValue.array(kinds.sorted().map { .string($0.rawValue) }).databaseValue,
          "reason": reason.databaseValue, "failed_at": timestamp().databaseValue,
        ], into: "failure")
    }
  }

  public func endRun(_ run: Int64, as ending: RunEnding) throws {
    try write { database in
      try database.execute(
        sql: "UPDATE run SET ended_at = ?, ending = ? WHERE id = ?",
        arguments: [timestamp(), ending, run])
      guard database.changesCount == 1 else {
        throw StoreError(
          .unknownName, file: path, "it holds no run \(run)", advice: "Run the experiment again.")
      }
    }
  }

  public func storedMeasurement(
    _ name: String, statistic: String, setting: ErrorSetting?, phase: MeasuredPhase?,
    of identity: String
  ) throws -> Double? {
    try read { database in
      try Double?.fetchOne(
        database,
        sql: """
          SELECT value FROM newest_measurement JOIN cell ON cell.id = cell_id
          WHERE cell.identity = ? AND name = ? AND statistic = ? AND setting IS ? AND phase IS ?
          """,
        arguments: [identity, name, statistic, setting, phase]) ?? nil
    }
  }

  public func storedCalibration(_ identity: String) throws -> CalibrationRecord? {
    try read { try storedCalibration(identity, in: $0) }
  }

  private func storedCalibration(
    _ identity: String, in database: Database
  ) throws -> CalibrationRecord? {
    try CalibrationRecord.fetchOne(
      database,
      sql: "SELECT * FROM calibration WHERE identity = ? ORDER BY stored_at DESC, evidence DESC",
      arguments: [identity])
  }

  /// Adds a calibration unless the newest one of its identity is the same.
  public func store(_ calibration: CalibrationRecord) throws {
    try write { database in
      let newest = try storedCalibration(calibration.identity, in: database)
      if newest?.evidence == calibration.evidence { return }
      var columns = try calibration.columns()
      columns["stored_at"] = try time(
        after: "SELECT max(stored_at) FROM calibration WHERE identity = ?", [calibration.identity],
        in: database
      ).databaseValue
      try database.insert(columns, into: "calibration")
    }
  }

  // MARK: Rows

  /// The row of a cell, by its identity.
  func cellID(_ identity: String, in database: Database) throws -> Int64 {
    let selection = try database.cachedStatement(sql: "SELECT id FROM cell WHERE identity = ?")
    guard let id = try Int64.fetchOne(selection, arguments: [identity]) else {
      throw StoreError(
        .unknownName, file: path, "it holds no cell \"\(identity)\"",
        advice: "Run the experiment again.")
    }
    return id
  }

  private func insert(
    _ units: [ScoredUnit], cell: Int64, run: Int64, in database: Database
  ) throws {
    for (sample, units) in Dictionary(grouping: units, by: \.sample).sorted(by: { $0.key < $1.key })
    {
      try database.insert(
        [
          "run_id": run.databaseValue, "cell_id": cell.databaseValue,
          "number": sample.databaseValue,
        ], into: "sample")
      let sampleID = database.lastInsertedRowID
      for unit in units {
        var columns = try unit.columns()
        columns["sample"] = nil
        columns["number"] = columns.removeValue(forKey: "index")
        columns["sample_id"] = sampleID.databaseValue
        try database.insert(columns, into: "unit")
      }
    }
  }

  func mark(_ kinds: Set<ResultKind>, cell: Int64, run: Int64, in database: Database) throws {
    let insertion = try database.cachedStatement(
      sql: "INSERT OR IGNORE INTO cell_kind (cell_id, kind, run_id) VALUES (?, ?, ?)")
    for kind in kinds.sorted() { try insertion.execute(arguments: [cell, kind, run]) }
  }

  /// Says of which cell a figure is not a number.
  private func naming(_ identity: String, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch let error as InvalidFigure {
      throw StoreError(
        .invalidFigure, file: path,
        "\(error) of cell \(identity) is not a number; nothing was stored",
        advice: "A figure that does not exist has no value; this one was computed wrongly.")
    }
  }

  /// ISO 8601 in UTC, to the millisecond.
  private func timestamp() -> String { now().formatted(Self.timeFormat) }

  private static let timeFormat = Date.ISO8601FormatStyle(
    includingFractionalSeconds: true, timeZone: .gmt)
}

extension Database {
  /// Adds a record's row, with references beside its columns.
  fileprivate func insert(
    _ record: some ColumnRecord, _ references: [String: Int64], into table: String
  ) throws {
    try insert(
      record.columns().merging(references.mapValues(\.databaseValue)) { own, _ in own },
      into: table)
  }
}
