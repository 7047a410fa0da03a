import Digests
import GRDB
import Records

/// Migration 4: runs get identities that hold beyond this file, and each keeps the plan that it had, where an
/// experiment had but the newest one; a failure says which kinds of results it prevented.
enum RunIdentities {
  static func migrate(_ database: Database) throws {
    try database.execute(sql: tables)
    for run in try Row.fetchAll(database, sql: runs) {
      let id = try run.decode(Int64.self, forColumn: "id")
      let machine = MachineIdentity.of(
        cpu: try run.decode(String.self, forColumn: "cpu"),
        cores: try run.decode(Int.self, forColumn: "cores"),
        memoryBytes: try run.decode(Int.self, forColumn: "memory_bytes"))
      // No random one: a file that is migrated twice, in two places, must hold the same runs.
      let identity = SHA256Digest.of(
        "\(id)\n\(try run.decode(String.self, forColumn: "facts"))\n\(machine)")
      try database.execute(
        sql: "UPDATE run SET identity = ?, machine = ? WHERE id = ?",
        arguments: [identity, machine, id])
    }
    for experiment in try Int64.fetchAll(database, sql: "SELECT id FROM experiment ORDER BY id") {
      let cells = try Row.fetchAll(database, sql: cells, arguments: [experiment]).map { cell in
        try (0..<6).map { try cell.decode(String?.self, atIndex: $0) }
      }
      let identity = PlanIdentity.of(cells)
      try database.execute(
        sql: "INSERT OR IGNORE INTO plan (identity) VALUES (?)", arguments: [identity])
      if database.changesCount > 0 {
        try database.execute(sql: planCells, arguments: [database.lastInsertedRowID, experiment])
      }
      try database.execute(
        sql: """
          UPDATE run SET plan_id = (SELECT id FROM plan WHERE identity = ?) WHERE experiment_id = ?
          """, arguments: [identity, experiment])
    }
    try database.execute(sql: endings)
  }

  private static let tables = """
    ALTER TABLE run ADD COLUMN identity TEXT NOT NULL DEFAULT '';
    ALTER TABLE run ADD COLUMN machine TEXT NOT NULL DEFAULT '';
    ALTER TABLE run ADD COLUMN process TEXT;
    ALTER TABLE failure ADD COLUMN kinds TEXT;

    CREATE TABLE plan (
      id INTEGER PRIMARY KEY,
      identity TEXT NOT NULL UNIQUE
    ) STRICT;
    ALTER TABLE run ADD COLUMN plan_id INTEGER REFERENCES plan(id);

    CREATE TABLE plan_cell (
      plan_id INTEGER NOT NULL REFERENCES plan(id),
      position INTEGER NOT NULL,
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      model TEXT NOT NULL,
      label TEXT NOT NULL,
      task_label TEXT,
      full_cell_id INTEGER NOT NULL REFERENCES cell(id),
      matched_cell_id INTEGER REFERENCES cell(id),
      PRIMARY KEY (plan_id, position)
    ) STRICT, WITHOUT ROWID;
    """

  private static let runs = """
    SELECT run.id, cpu, cores, memory_bytes, experiment.name || char(10) || started_at
      || char(10) || source_state || char(10) || spec AS facts
    FROM run JOIN experiment ON experiment.id = run.experiment_id
    """

  private static let cells = """
    SELECT cell.identity, planned.model, label, task_label, dense.identity, matched.identity
    FROM experiment_cell AS planned
    JOIN cell ON cell.id = planned.cell_id
    JOIN cell AS dense ON dense.id = planned.full_cell_id
    LEFT JOIN cell AS matched ON matched.id = planned.matched_cell_id
    WHERE experiment_id = ? ORDER BY position
    """

  private static let planCells = """
    INSERT INTO plan_cell
    SELECT ?, position, cell_id, model, label, task_label, full_cell_id, matched_cell_id
    FROM experiment_cell WHERE experiment_id = ?
    """

  private static let endings = """
    DROP TABLE experiment_cell;
    DROP INDEX run_by_experiment;
    CREATE UNIQUE INDEX run_by_identity ON run (identity);
    CREATE INDEX run_by_time ON run (experiment_id, started_at, identity);
    CREATE INDEX plan_cell_by_cell ON plan_cell (cell_id);
    """
}
