import GRDB

/// The migrations that make the tables, in order, each frozen as text: a change is a new one. Views are no part
/// of them; see ``ResultViews``.
enum ResultSchema {
  /// `application_id` in the file's header: "TCAL".
  static let applicationID = 0x5443_414c

  static let migrator: DatabaseMigrator = {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 results") { database in
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      try database.execute(sql: FirstTables.plan)
      try database.execute(sql: FirstTables.figures)
    }
    migrator.registerMigration("2 task labels") { database in
      try database.execute(sql: "ALTER TABLE experiment_cell ADD COLUMN task_label TEXT")
    }
    migrator.registerMigration("3 strategy roles") { database in
      try database.execute(sql: roles)
    }
    migrator.registerMigration("4 identities of runs", migrate: RunIdentities.migrate)
    migrator.registerMigration("5 control timings") { database in
      try database.execute(sql: controlTimings)
    }
    migrator.registerMigration("6 claims") { database in
      try database.execute(sql: claims)
    }
    migrator.registerMigration("7 kept tokens") { database in
      try database.execute(sql: keptTokens)
    }
    return migrator
  }()

  /// The second runs of `full` in timing groups. They are no timings of a cell: a table of their own leaves every view
  /// of those alone, and groups of older files have none.
  private static let controlTimings = """
    CREATE TABLE control_timing (
      timing_group_id INTEGER NOT NULL REFERENCES timing_group(id),
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      is_warmup INTEGER NOT NULL CHECK (is_warmup IN (0, 1)),
      repetition INTEGER NOT NULL,
      prompt_tokens INTEGER NOT NULL,
      decode_tokens INTEGER NOT NULL,
      time_to_first_token REAL NOT NULL,
      time_per_output_token REAL,
      attention_time REAL NOT NULL,
      selection_time REAL NOT NULL,
      compaction_time REAL NOT NULL,
      other_time REAL NOT NULL,
      decode_attention_time REAL,
      decode_selection_time REAL,
      decode_compaction_time REAL,
      decode_other_time REAL,
      PRIMARY KEY (timing_group_id, cell_id, is_warmup, repetition)
    ) STRICT, WITHOUT ROWID;
    """

  /// Where the tokens of a prompt are kept; runs of older versions say nothing of it.
  private static let keptTokens = """
    CREATE TABLE kept_tokens (
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      run_id INTEGER NOT NULL REFERENCES run(id),
      layer INTEGER NOT NULL,
      kv_head INTEGER NOT NULL,
      prompt_tokens INTEGER NOT NULL,
      percentages TEXT NOT NULL,
      PRIMARY KEY (cell_id, run_id, layer, kv_head)
    ) STRICT, WITHOUT ROWID;
    """

  /// The cells that runs are at work on; of a run whose process is no longer there they say nothing.
  private static let claims = """
    CREATE TABLE claim (
      cell_id INTEGER PRIMARY KEY REFERENCES cell(id),
      run_id INTEGER NOT NULL REFERENCES run(id)
    ) STRICT;
    CREATE INDEX claim_by_run ON claim (run_id);
    """

  /// Until now the names said it; those of parts stand in the parameters.
  private static let roles = """
    ALTER TABLE cell ADD COLUMN strategy_role TEXT NOT NULL DEFAULT 'method'
      CHECK (strategy_role IN ('reference', 'method', 'control', 'oracle'));
    ALTER TABLE cell ADD COLUMN reads_future INTEGER NOT NULL DEFAULT 0
      CHECK (reads_future IN (0, 1));
    UPDATE cell SET strategy_role = CASE
      WHEN strategy = 'full' THEN 'reference'
      WHEN strategy = 'random' THEN 'control'
      WHEN strategy LIKE 'oracle-%' OR strategy_parameters LIKE '%"name":"oracle-%' THEN 'oracle'
      ELSE 'method' END;
    UPDATE cell SET reads_future = 1
    WHERE strategy = 'oracle-eviction'
      OR strategy_parameters LIKE '%"name":"oracle-eviction"%';
    """
}
