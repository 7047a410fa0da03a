import Records

extension ExperimentAnalysis {
  /// For programs: the comparison with all columns, differences, and the raw measurements.
  var dataTables: [DataTable] {
    [comparisonData, differenceData, headData, unitData, timingData, runData]
      .filter { !$0.rows.isEmpty }
  }

  private var names: [DataColumn<AnalysedRow>] {
    let experiment = results.experiment.name
    return [
      .init("experiment") { _ in experiment }, .init("model") { $0.cell.model },
      .init("context_length") { $0.cell.contextLength }, .init("strategy") { $0.label },
      .init("task") { $0.cell.task }, .init("protocol") { $0.cell.taskProtocol },
      .init("query_aware") { $0.cell.queryAware }, .init("cache") { $0.cell.cache },
    ]
  }

  private var cell: [DataColumn<AnalysedRow>] { [.init("cell") { $0.cell.identity }] }

  /// The `comparison` view.
  private var comparisonData: DataTable {
    let columns: [DataColumn<AnalysedRow>] = [
      .init("strategy_name") { $0.cell.strategy },
      .init("strategy_parameters") { $0.cell.strategyParameters.canonicalText },
      .init("task_parameters") { $0.cell.taskParameters.canonicalText },
      .init("selection_looks_ahead") { $0.cell.selectionLooksAhead },
      .init("cell") { $0.cell.identity }, .init("full_cell") { $0.row.planned.fullIdentity },
      .init("failure") { $0.row.failure?.reason },
    ]
    let figures = ComparisonColumn.allCases.map { column in
      DataColumn<AnalysedRow>(column.rawValue) { $0.row[column] }
    }
    return DataTable("comparison", rows, names + figures + columns)
  }

  private var differenceData: DataTable {
    let compared = rows.compactMap { row in row.difference.map { (row: row, difference: $0) } }
    let ratios: [DataColumn<PairedDifference>] = [
      .init("perplexity_ratio") { $0.perplexityRatio },
      .init("perplexity_ratio_low") { $0.perplexityRatioInterval?.low },
      .init("perplexity_ratio_high") { $0.perplexityRatioInterval?.high },
    ]
    let difference =
      DataColumn.difference("full", "strategy_value") + ratios + DataColumn.differenceCounts
    return DataTable(
      "quality_difference", compared,
      names.map { $0.of(\.row) } + difference.map { $0.of(\.difference) }
        + cell.map { $0.of(\.row) })
  }

  private var headData: DataTable {
    let columns: [DataColumn<HeadMeasurement>] = [
      .init("setting") { $0.setting.rawValue }, .init("phase") { $0.phase.rawValue },
      .init("layer") { $0.layer }, .init("query_head") { $0.queryHead },
      .init("relative_output_error") { $0.relativeOutputError },
      .init("worst_query_error") { $0.worstQueryError },
      .init("last_query_error") { $0.lastQueryError }, .init("output_cosine") { $0.outputCosine },
      .init("dropped_mass") { $0.droppedMass }, .init("dropped_mass_p95") { $0.droppedMassP95 },
      .init("dropped_mass_maximum") { $0.droppedMassMaximum },
      .init("bound_ratio") { $0.boundRatio }, .init("density") { $0.density },
      .init("nominal_density") { $0.nominalDensity },
      .init("retained_fraction") { $0.retainedFraction },
    ]
    return table("head_summary", columns) { $0.row.heads }
  }

  private var unitData: DataTable {
    let columns: [DataColumn<ScoredUnit>] = [
      .init("sample") { $0.sample }, .init("number") { $0.index }, .init("place") { $0.place },
      .init("tokens") { $0.tokens },
      .init("negative_log_likelihood") { $0.negativeLogLikelihood },
      .init("logit_kl") { $0.logitKL }, .init("top_one_agreements") { $0.topOneAgreements },
      .init("score") { $0.score }, .init("answer") { $0.answer }, .init("expected") { $0.expected },
    ]
    return table("unit", columns) { $0.row.units }
  }

  private typealias Timed = (stored: StoredTimingGroup, sample: TimingSample)

  private var timingData: DataTable {
    let columns: [DataColumn<Timed>] = [
      .init("timing_group") { Int($0.stored.id) }, .init("run") { Int($0.stored.run) },
      .init("threads") { $0.stored.group.threads }, .init("is_warmup") { $0.sample.isWarmup },
      .init("repetition") { $0.sample.repetition },
      .init("prompt_tokens") { $0.sample.promptTokens },
      .init("decode_tokens") { $0.sample.decodeTokens },
      .init("time_to_first_token") { $0.sample.timeToFirstToken },
      .init("time_per_output_token") { $0.sample.timePerOutputToken },
      .init("attention_time") { $0.sample.attentionTime },
      .init("selection_time") { $0.sample.selectionTime },
      .init("compaction_time") { $0.sample.compactionTime },
      .init("other_time") { $0.sample.otherTime },
      .init("decode_attention_time") { $0.sample.decodeAttentionTime },
      .init("decode_selection_time") { $0.sample.decodeSelectionTime },
      .init("decode_compaction_time") { $0.sample.decodeCompactionTime },
      .init("decode_other_time") { $0.sample.decodeOtherTime },
    ]
    let samples = Dictionary(
      grouping: results.timingGroups.flatMap { stored in
        stored.group.samples.map { (stored: stored, sample: $0) }
      }, by: \.sample.identity)
    // A cell that the plan holds twice was timed once.
    var seen: Set<String> = []
    return table("timing", columns) { row in
      seen.insert(row.cell.identity).inserted ? samples[row.cell.identity] ?? [] : []
    }
  }

  /// A row for each part of each cell, between the cell's names and its identity.
  private func table<Part>(
    _ name: String, _ columns: [DataColumn<Part>], _ parts: (AnalysedRow) -> [Part]
  ) -> DataTable {
    DataTable(
      name, rows.flatMap { row in parts(row).map { (row: row, part: $0) } },
      names.map { $0.of(\.row) } + columns.map { $0.of(\.part) } + cell.map { $0.of(\.row) })
  }

  private var runData: DataTable {
    let run: [DataColumn<StoredRun>] = [
      .init("run") { Int($0.id) }, .init("experiment") { $0.experiment },
      .init("started_at") { $0.startedAt }, .init("ended_at") { $0.endedAt },
      .init("ending") { $0.ending?.rawValue },
    ]
    let provenance: [DataColumn<Provenance>] = [
      .init("program_version") { $0.programVersion }, .init("source_state") { $0.sourceState },
      .init("numerics_version") { $0.numericsVersion },
      .init("operating_system") { $0.operatingSystem }, .init("cpu") { $0.cpu },
      .init("cores") { $0.cores }, .init("memory_bytes") { $0.memoryBytes },
      .init("blas") { $0.blas }, .init("blas_threads_per_call") { $0.blasThreadsPerCall },
      .init("threads") { $0.threads }, .init("compiler") { $0.compiler },
      .init("compiler_flags") { $0.compilerFlags },
    ]
    return DataTable("run", results.runs, run + provenance.map { $0.of(\.provenance) })
  }
}

extension DataColumn where Subject == PairedDifference {
  /// The figure, its two values under these names, and how they differ.
  static func difference(_ first: String, _ second: String) -> [Self] {
    [
      .init("figure") { $0.figure.rawValue }, .init(first) { $0.first },
      .init(second) { $0.second }, .init("difference") { $0.mean },
      .init("difference_low") { $0.interval?.low }, .init("difference_high") { $0.interval?.high },
    ]
  }

  static var differenceCounts: [Self] {
    [
      .init("units_up") { $0.signs.up }, .init("units_down") { $0.signs.down },
      .init("units_same") { $0.signs.ties }, .init("sign_test_p") { $0.signs.pValue },
      .init("unit_count") { $0.unitCount }, .init("sample_count") { $0.sampleCount },
    ]
  }
}
