import GRDB
import JSON
import Records

/// A value in a row that no version of this program writes.
struct UnreadableValue: Error, CustomStringConvertible {
  var column: String
  var value: String

  var description: String { "column \(column) holds \"\(value.prefix(80))\"" }
}

extension Row {
  func value<Value: DatabaseValueConvertible & StatementColumnConvertible>(
    _ column: String, as type: Value.Type = Value.self
  ) throws -> Value {
    try decode(Value.self, forColumn: column)
  }

  /// One of an enumeration's words.
  func word<Word: RawRepresentable<String>>(_ column: String) throws -> Word {
    let text: String = try value(column)
    guard let word = Word(rawValue: text) else {
      throw UnreadableValue(column: column, value: text)
    }
    return word
  }

  func optionalWord<Word: RawRepresentable<String>>(_ column: String) throws -> Word? {
    let text: String? = try value(column)
    return try text == nil ? nil : word(column)
  }

  func json(_ column: String) throws -> JSONValue {
    let text: String = try value(column)
    do {
      return try JSONValue(parsing: text)
    } catch {
      throw UnreadableValue(column: column, value: text)
    }
  }
}

extension PlannedCell {
  /// From a row of `cell` with `planned_model`, `label`, `full_identity` and `matched_identity` beside it.
  init(row: Row) throws {
    self.init(
      cell: CellRecord(
        identity: try row.value("identity"), model: try row.value("planned_model"),
        modelDigest: try row.value("model_digest"),
        contextLength: try row.value("context_length"), strategy: try row.value("strategy"),
        strategyParameters: try row.json("strategy_parameters"), task: try row.value("task"),
        taskProtocol: try row.value("protocol"),
        taskParameters: try row.json("task_parameters"),
        queryAware: try row.value("query_aware"),
        selectionLooksAhead: try row.value("selection_looks_ahead"),
        strategyRole: try row.word("strategy_role"), readsFuture: try row.value("reads_future"),
        seed: try row.value("seed")),
      label: try row.value("label"), taskLabel: try row.value("task_label"),
      fullIdentity: try row.value("full_identity"),
      matchedIdentity: try row.value("matched_identity"))
  }
}

extension HeadMeasurement {
  init(row: Row) throws {
    self.init(
      setting: try row.word("setting"), phase: try row.word("phase"),
      layer: try row.value("layer"), queryHead: try row.value("query_head"),
      relativeOutputError: try row.value("relative_output_error"),
      worstQueryError: try row.value("worst_query_error"),
      lastQueryError: try row.value("last_query_error"),
      outputCosine: try row.value("output_cosine"), droppedMass: try row.value("dropped_mass"),
      droppedMassP95: try row.value("dropped_mass_p95"),
      droppedMassMaximum: try row.value("dropped_mass_maximum"),
      boundRatio: try row.value("bound_ratio"), density: try row.value("density"),
      nominalDensity: try row.value("nominal_density"),
      retainedFraction: try row.value("retained_fraction"))
  }
}

extension ScoredUnit {
  init(row: Row) throws {
    self.init(
      sample: try row.value("sample"), index: try row.value("number"),
      place: try row.value("place"), tokens: try row.value("tokens"),
      negativeLogLikelihood: try row.value("negative_log_likelihood"),
      logitKL: try row.value("logit_kl"),
      topOneAgreements: try row.value("top_one_agreements"), score: try row.value("score"),
      answer: try row.value("answer"), expected: try row.value("expected"))
  }
}

extension Measurement {
  init(row: Row) throws {
    self.init(
      try row.value("name"), try row.value("statistic"),
      setting: try row.optionalWord("setting"), phase: try row.optionalWord("phase"),
      value: try row.value("value"), unit: try row.value("unit"))
  }
}

extension TimingSample {
  init(row: Row) throws {
    self.init(
      identity: try row.value("identity"), repetition: try row.value("repetition"),
      isWarmup: try row.value("is_warmup"), promptTokens: try row.value("prompt_tokens"),
      decodeTokens: try row.value("decode_tokens"),
      timeToFirstToken: try row.value("time_to_first_token"),
      timePerOutputToken: try row.value("time_per_output_token"),
      attentionTime: try row.value("attention_time"),
      selectionTime: try row.value("selection_time"),
      compactionTime: try row.value("compaction_time"), otherTime: try row.value("other_time"),
      decodeAttentionTime: try row.value("decode_attention_time"),
      decodeSelectionTime: try row.value("decode_selection_time"),
      decodeCompactionTime: try row.value("decode_compaction_time"),
      decodeOtherTime: try row.value("decode_other_time"))
  }
}

extension StoredRun {
  /// Every run, oldest first.
  static func all(in database: Database) throws -> [StoredRun] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT run.*, experiment.name AS experiment
        FROM run JOIN experiment ON experiment.id = run.experiment_id ORDER BY run.id
        """
    ).map(StoredRun.init(row:))
  }

  /// From a row of `run` with its experiment's name as `experiment`.
  init(row: Row) throws {
    var dependencies: [String: String] = [:]
    for (name, version) in try row.json("dependencies").objectValue ?? [:] {
      dependencies[name] = version.stringValue
    }
    self.init(
      id: try row.value("id"), experiment: try row.value("experiment"),
      startedAt: try row.value("started_at"), endedAt: try row.value("ended_at"),
      ending: try row.optionalWord("ending"),
      provenance: Provenance(
        programVersion: try row.value("program_version"),
        sourceState: try row.value("source_state"),
        numericsVersion: try row.value("numerics_version"),
        operatingSystem: try row.value("operating_system"), cpu: try row.value("cpu"),
        cores: try row.value("cores"), memoryBytes: try row.value("memory_bytes"),
        blas: try row.value("blas"),
        blasThreadsPerCall: try row.value("blas_threads_per_call"),
        threads: try row.value("threads"), compiler: try row.value("compiler"),
        compilerFlags: try row.value("compiler_flags"), dependencies: dependencies))
  }
}

extension CalibrationRecord {
  init(row: Row) throws {
    self.init(
      identity: try row.value("identity"), strategy: try row.value("strategy"),
      model: try row.value("model"), modelDigest: try row.value("model_digest"),
      corpus: try row.value("corpus"), corpusDigest: try row.value("corpus_digest"),
      tokens: try row.value("tokens"), options: try row.json("options"),
      evidence: try row.json("evidence"))
  }
}
