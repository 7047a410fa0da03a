/// The tables of migration 1, frozen.
enum FirstTables {
  /// What was asked for, and where results come from.
  static let plan = """
    CREATE TABLE experiment (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      question TEXT NOT NULL
    ) STRICT;

    CREATE TABLE run (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      experiment_id INTEGER NOT NULL REFERENCES experiment(id),
      started_at TEXT NOT NULL,
      ended_at TEXT,
      ending TEXT CHECK (ending IN ('finished', 'interrupted', 'withFailures')),
      spec TEXT NOT NULL,
      program_version TEXT NOT NULL,
      source_state TEXT NOT NULL,
      numerics_version INTEGER NOT NULL,
      operating_system TEXT NOT NULL,
      cpu TEXT NOT NULL,
      cores INTEGER NOT NULL,
      memory_bytes INTEGER NOT NULL,
      blas TEXT NOT NULL,
      blas_threads_per_call INTEGER NOT NULL,
      threads INTEGER NOT NULL,
      compiler TEXT NOT NULL,
      compiler_flags TEXT NOT NULL,
      dependencies TEXT NOT NULL
    ) STRICT;
    CREATE INDEX run_by_experiment ON run (experiment_id);

    CREATE TABLE cell (
      id INTEGER PRIMARY KEY,
      identity TEXT NOT NULL UNIQUE,
      model TEXT NOT NULL,
      model_digest TEXT NOT NULL,
      context_length INTEGER NOT NULL,
      strategy TEXT NOT NULL,
      strategy_parameters TEXT NOT NULL,
      task TEXT NOT NULL,
      protocol TEXT,
      task_parameters TEXT NOT NULL,
      query_aware INTEGER NOT NULL CHECK (query_aware IN (0, 1)),
      selection_looks_ahead INTEGER NOT NULL CHECK (selection_looks_ahead IN (0, 1)),
      seed INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE experiment_cell (
      experiment_id INTEGER NOT NULL REFERENCES experiment(id),
      position INTEGER NOT NULL,
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      model TEXT NOT NULL,
      label TEXT NOT NULL,
      full_cell_id INTEGER NOT NULL REFERENCES cell(id),
      matched_cell_id INTEGER REFERENCES cell(id),
      PRIMARY KEY (experiment_id, position),
      UNIQUE (experiment_id, cell_id, model, label)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX experiment_cell_by_cell ON experiment_cell (cell_id);

    CREATE TABLE cell_kind (
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      kind TEXT NOT NULL CHECK (kind IN ('approximation', 'quality', 'latency', 'memory')),
      run_id INTEGER NOT NULL REFERENCES run(id),
      PRIMARY KEY (cell_id, kind, run_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE failure (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER NOT NULL REFERENCES run(id),
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      reason TEXT NOT NULL,
      failed_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX failure_by_cell ON failure (cell_id);

    CREATE TABLE calibration (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      identity TEXT NOT NULL,
      strategy TEXT NOT NULL,
      model TEXT NOT NULL,
      model_digest TEXT NOT NULL,
      corpus TEXT NOT NULL,
      corpus_digest TEXT NOT NULL,
      tokens INTEGER NOT NULL,
      options TEXT NOT NULL,
      evidence TEXT NOT NULL,
      stored_at TEXT NOT NULL
    ) STRICT;
    CREATE INDEX calibration_by_identity ON calibration (identity);
    """

  /// What was measured; rows are only ever added.
  static let figures = """
    CREATE TABLE timing_group (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER NOT NULL REFERENCES run(id),
      threads INTEGER NOT NULL,
      stored_at TEXT NOT NULL
    ) STRICT;

    CREATE TABLE timing (
      timing_group_id INTEGER NOT NULL REFERENCES timing_group(id),
      position INTEGER NOT NULL,
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
      PRIMARY KEY (timing_group_id, position),
      UNIQUE (timing_group_id, cell_id, is_warmup, repetition)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX timing_by_cell ON timing (cell_id, timing_group_id);

    CREATE TABLE measurement (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      run_id INTEGER NOT NULL REFERENCES run(id),
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      timing_group_id INTEGER REFERENCES timing_group(id),
      name TEXT NOT NULL,
      statistic TEXT NOT NULL,
      setting TEXT CHECK (setting IN ('isolated', 'propagated')),
      phase TEXT CHECK (phase IN ('prefill', 'decode')),
      value REAL,
      unit TEXT NOT NULL
    ) STRICT;
    CREATE INDEX measurement_by_cell ON measurement (cell_id, name, statistic, setting, phase);

    CREATE TABLE head_measurement (
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      setting TEXT NOT NULL CHECK (setting IN ('isolated', 'propagated')),
      phase TEXT NOT NULL CHECK (phase IN ('prefill', 'decode')),
      run_id INTEGER NOT NULL REFERENCES run(id),
      layer INTEGER NOT NULL,
      query_head INTEGER NOT NULL,
      relative_output_error REAL NOT NULL,
      worst_query_error REAL NOT NULL,
      last_query_error REAL NOT NULL,
      output_cosine REAL NOT NULL,
      dropped_mass REAL,
      dropped_mass_p95 REAL,
      dropped_mass_maximum REAL,
      bound_ratio REAL,
      density REAL NOT NULL,
      nominal_density REAL NOT NULL,
      retained_fraction REAL NOT NULL,
      PRIMARY KEY (cell_id, setting, phase, run_id, layer, query_head)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE sample (
      id INTEGER PRIMARY KEY,
      run_id INTEGER NOT NULL REFERENCES run(id),
      cell_id INTEGER NOT NULL REFERENCES cell(id),
      number INTEGER NOT NULL,
      UNIQUE (cell_id, run_id, number)
    ) STRICT;

    CREATE TABLE unit (
      sample_id INTEGER NOT NULL REFERENCES sample(id),
      number INTEGER NOT NULL,
      place REAL NOT NULL,
      tokens INTEGER NOT NULL,
      negative_log_likelihood REAL,
      logit_kl REAL,
      top_one_agreements INTEGER,
      score REAL,
      answer TEXT,
      expected TEXT,
      PRIMARY KEY (sample_id, number)
    ) STRICT, WITHOUT ROWID;
    """
}
