import GRDB
import JSON
import Records

/// The single insertions that the calls of `ResultSink` are made of; each inside the caller's transaction.
extension ResultStore {
  func register(_ experiment: ExperimentRecord, in database: Database) throws -> Int64 {
    try database.execute(
      sql: """
        INSERT INTO experiment (name, question) VALUES (?, ?)
        ON CONFLICT (name) DO UPDATE SET question = excluded.question
        """,
      arguments: [experiment.name, experiment.question])
    let row = try Row.fetchOne(
      database, sql: "SELECT id FROM experiment WHERE name = ?", arguments: [experiment.name])
    guard let row else { throw StoreError.damaged(path, "an experiment is missing") }
    return try row.decode(Int64.self, forColumn: "id")
  }

  func insertRun(
    of experiment: ExperimentRecord, _ experimentID: Int64, _ provenance: Provenance,
    in database: Database
  ) throws -> Int64 {
    let dependencies = JSONValue.object(provenance.dependencies.mapValues { .string($0) })
    try database.execute(
      sql: """
        INSERT INTO run (experiment_id, started_at, spec, program_version, source_state,
          numerics_version, operating_system, cpu, cores, memory_bytes, blas,
          blas_threads_per_call, threads, compiler, compiler_flags, dependencies)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        experimentID, timestamp(), experiment.spec, provenance.programVersion,
        provenance.sourceState, provenance.numericsVersion, provenance.operatingSystem,
        provenance.cpu, provenance.cores, provenance.memoryBytes, provenance.blas,
        provenance.blasThreadsPerCall, provenance.threads, provenance.compiler,
        provenance.compilerFlags, dependencies.canonicalText,
      ])
    return database.lastInsertedRowID
  }

  func register(_ cell: CellRecord, in database: Database) throws {
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO cell (identity, model, model_digest, context_length, strategy,
          strategy_parameters, task, protocol, task_parameters, query_aware,
          selection_looks_ahead, strategy_role, reads_future, seed)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO NOTHING
        """)
    try insertion.execute(arguments: [
      cell.identity, cell.model, cell.modelDigest, cell.contextLength, cell.strategy,
      cell.strategyParameters.canonicalText, cell.task, cell.taskProtocol,
      cell.taskParameters.canonicalText, cell.queryAware, cell.selectionLooksAhead,
      cell.strategyRole.rawValue, cell.readsFuture, cell.seed,
    ])
  }

  func mark(_ kinds: Set<ResultKind>, cell: Int64, run: Int64, in database: Database) throws {
    let insertion = try database.cachedStatement(
      sql: "INSERT OR IGNORE INTO cell_kind (cell_id, kind, run_id) VALUES (?, ?, ?)")
    for kind in kinds.sorted() {
      try insertion.execute(arguments: [cell, kind.rawValue, run])
    }
  }

  func insert(
    _ measurements: [Measurement], cell: Int64, run: Int64, group: Int64?, in database: Database
  ) throws {
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO measurement
          (run_id, cell_id, timing_group_id, name, statistic, setting, phase, value, unit)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    for measurement in measurements {
      try insertion.execute(arguments: [
        run, cell, group, measurement.name, measurement.statistic,
        measurement.setting?.rawValue, measurement.phase?.rawValue, measurement.value,
        measurement.unit,
      ])
    }
  }

  func insert(
    _ heads: [HeadMeasurement], cell: Int64, run: Int64, in database: Database
  ) throws {
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO head_measurement (cell_id, setting, phase, run_id, layer, query_head,
          relative_output_error, worst_query_error, last_query_error, output_cosine, dropped_mass,
          dropped_mass_p95, dropped_mass_maximum, bound_ratio, density, nominal_density,
          retained_fraction)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    for head in heads {
      try insertion.execute(arguments: [
        cell, head.setting.rawValue, head.phase.rawValue, run, head.layer, head.queryHead,
        head.relativeOutputError, head.worstQueryError, head.lastQueryError, head.outputCosine,
        head.droppedMass, head.droppedMassP95, head.droppedMassMaximum, head.boundRatio,
        head.density, head.nominalDensity, head.retainedFraction,
      ])
    }
  }

  func insert(_ units: [ScoredUnit], cell: Int64, run: Int64, in database: Database) throws {
    let sampleInsertion = try database.cachedStatement(
      sql: "INSERT INTO sample (run_id, cell_id, number) VALUES (?, ?, ?)")
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO unit (sample_id, number, place, tokens, negative_log_likelihood, logit_kl,
          top_one_agreements, score, answer, expected)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    var samples: [Int: Int64] = [:]
    for number in Set(units.map(\.sample)).sorted() {
      try sampleInsertion.execute(arguments: [run, cell, number])
      samples[number] = database.lastInsertedRowID
    }
    for unit in units {
      try insertion.execute(arguments: [
        samples[unit.sample], unit.index, unit.place, unit.tokens, unit.negativeLogLikelihood,
        unit.logitKL, unit.topOneAgreements, unit.score, unit.answer, unit.expected,
      ])
    }
  }

  func insert(_ samples: [TimingSample], group: Int64, in database: Database) throws {
    let insertion = try database.cachedStatement(
      sql: """
        INSERT INTO timing (timing_group_id, position, cell_id, is_warmup, repetition,
          prompt_tokens, decode_tokens, time_to_first_token, time_per_output_token,
          attention_time, selection_time, compaction_time, other_time, decode_attention_time,
          decode_selection_time, decode_compaction_time, decode_other_time)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """)
    for (position, sample) in samples.enumerated() {
      try insertion.execute(arguments: [
        group, position, cellID(sample.identity, in: database), sample.isWarmup,
        sample.repetition, sample.promptTokens, sample.decodeTokens, sample.timeToFirstToken,
        sample.timePerOutputToken, sample.attentionTime, sample.selectionTime,
        sample.compactionTime, sample.otherTime, sample.decodeAttentionTime,
        sample.decodeSelectionTime, sample.decodeCompactionTime, sample.decodeOtherTime,
      ])
    }
  }
}
