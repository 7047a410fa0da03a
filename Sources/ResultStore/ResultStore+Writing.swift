import Foundation
import GRDB
import Records

extension ResultStore: ResultSink {
  /// Opens a run; the experiment's plan becomes the given cells, in their order.
  ///
  /// Cells that an earlier plan had and this one has not keep their figures in the tables. Every cell that another one
  /// refers to (`fullIdentity`, `matchedIdentity`) has to be stored or in the plan.
  public func beginRun(
    of experiment: ExperimentRecord, cells: [PlannedCell], provenance: Provenance
  ) throws -> Int64 {
    try write { database in
      let experimentID = try register(experiment, in: database)
      let run = try insertRun(of: experiment, experimentID, provenance, in: database)
      for planned in cells { try register(planned.cell, in: database) }
      try database.execute(
        sql: "DELETE FROM experiment_cell WHERE experiment_id = ?", arguments: [experimentID])
      let insertion = try database.cachedStatement(
        sql: """
          INSERT OR IGNORE INTO experiment_cell
            (experiment_id, position, cell_id, model, label, task_label, full_cell_id,
            matched_cell_id)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          """)
      for (position, planned) in cells.enumerated() {
        try insertion.execute(arguments: [
          experimentID, position, cellID(planned.cell.identity, in: database),
          planned.cell.model, planned.label, planned.taskLabel,
          cellID(planned.fullIdentity, in: database),
          planned.matchedIdentity.map { try cellID($0, in: database) },
        ])
      }
      return run
    }
  }

  public func storedKinds(of identities: [String]) throws -> [String: Set<ResultKind>] {
    try read { database in
      let selection = try database.cachedStatement(
        sql: """
          SELECT DISTINCT kind FROM cell_kind
          JOIN cell ON cell.id = cell_kind.cell_id WHERE cell.identity = ?
          """)
      var stored: [String: Set<ResultKind>] = [:]
      for identity in identities {
        let kinds = try Row.fetchAll(selection, arguments: [identity])
          .map { try $0.word("kind") as ResultKind }
        if !kinds.isEmpty { stored[identity] = Set(kinds) }
      }
      return stored
    }
  }

  /// Adds the figures of one cell; throws, and adds nothing, where one of them is not a number.
  public func store(_ results: CellResults, run: Int64) throws {
    try results.check(file: path)
    try write { database in
      let cell = try cellID(results.identity, in: database)
      try insert(results.measurements, cell: cell, run: run, group: nil, in: database)
      try insert(results.heads, cell: cell, run: run, in: database)
      try insert(results.units, cell: cell, run: run, in: database)
      try mark(results.kinds, cell: cell, run: run, in: database)
    }
  }

  /// Adds a timing group; marks latency as stored for every cell with a counted sample.
  public func store(_ group: TimingGroup, run: Int64) throws {
    try group.check(file: path)
    try write { database in
      try database.execute(
        sql: "INSERT INTO timing_group (run_id, threads, stored_at) VALUES (?, ?, ?)",
        arguments: [run, group.threads, timestamp()])
      let groupID = database.lastInsertedRowID
      try insert(group.samples, group: groupID, in: database)
      for (identity, measurements) in group.measurements.sorted(by: { $0.key < $1.key }) {
        try insert(
          measurements, cell: cellID(identity, in: database), run: run, group: groupID,
          in: database)
      }
      for identity in Set(group.samples.filter { !$0.isWarmup }.map(\.identity)).sorted() {
        try mark([.latency], cell: cellID(identity, in: database), run: run, in: database)
      }
    }
  }

  public func storeFailure(of identity: String, reason: String, run: Int64) throws {
    try write { database in
      try database.execute(
        sql: "INSERT INTO failure (run_id, cell_id, reason, failed_at) VALUES (?, ?, ?, ?)",
        arguments: [run, cellID(identity, in: database), reason, timestamp()])
    }
  }

  public func endRun(_ run: Int64, as ending: RunEnding) throws {
    try write { database in
      try database.execute(
        sql: "UPDATE run SET ended_at = ?, ending = ? WHERE id = ?",
        arguments: [timestamp(), ending.rawValue, run])
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
      let row = try Row.fetchOne(
        database,
        sql: """
          SELECT value FROM measurement JOIN cell ON cell.id = measurement.cell_id
          WHERE cell.identity = ? AND name = ? AND statistic = ? AND setting IS ? AND phase IS ?
          ORDER BY measurement.id DESC LIMIT 1
          """,
        arguments: [identity, name, statistic, setting?.rawValue, phase?.rawValue])
      return try row?.decode(Double?.self, forColumn: "value")
    }
  }

  public func storedCalibration(_ identity: String) throws -> CalibrationRecord? {
    try read { database in
      try Row.fetchOne(
        database,
        sql: "SELECT * FROM calibration WHERE identity = ? ORDER BY id DESC LIMIT 1",
        arguments: [identity]
      ).map(CalibrationRecord.init(row:))
    }
  }

  /// Adds a calibration unless the newest one of its identity is the same.
  public func store(_ calibration: CalibrationRecord) throws {
    try write { database in
      let newest = try Row.fetchOne(
        database,
        sql: "SELECT evidence FROM calibration WHERE identity = ? ORDER BY id DESC LIMIT 1",
        arguments: [calibration.identity])
      let evidence = calibration.evidence.canonicalText
      if try newest?.decode(String.self, forColumn: "evidence") == evidence { return }
      try database.execute(
        sql: """
          INSERT INTO calibration (identity, strategy, model, model_digest, corpus, corpus_digest,
            tokens, options, evidence, stored_at)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [
          calibration.identity, calibration.strategy, calibration.model, calibration.modelDigest,
          calibration.corpus, calibration.corpusDigest, calibration.tokens,
          calibration.options.canonicalText, evidence, timestamp(),
        ])
    }
  }

  /// ISO 8601 in UTC, to the millisecond.
  func timestamp() -> String {
    now().formatted(
      Date.ISO8601FormatStyle(includingFractionalSeconds: true, timeZone: .gmt))
  }

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
}
