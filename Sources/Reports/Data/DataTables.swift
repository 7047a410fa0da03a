import JSON
import Records

extension ExperimentAnalysis {
  /// For programs: the comparison with all columns, differences, and the raw measurements.
  var dataTables: [DataTable] {
    [
      comparisonData, differenceData, poolData, primaryData, ratioData, headData, clusterData,
      unitData, timingData, runData,
    ]
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
      .init("acts_later") { $0.actsLater },
      .init("cell") { $0.cell.identity }, .init("full_cell") { $0.row.planned.fullIdentity },
      .init("failure") { $0.row.failure?.reason },
    ]
    let figures = ComparisonColumn.allCases.map { column in
      DataColumn<AnalysedRow>(column.rawValue) { $0.row[column] }
    }
    let kind = DataColumn<AnalysedRow>("cluster_kind") { row in
      PairedDifference.figure(of: row.row.units).map { $0 == .score ? "prompt" : "window" }
    }
    let status = DataColumn<AnalysedRow>("match_status") { $0.row.matchStatus?.rawValue }
    return DataTable("comparison", rows, names + [status, kind] + figures + columns)
  }

  private var differenceData: DataTable {
    let compared = rows.compactMap { row in row.difference.map { (row: row, difference: $0) } }
    let difference =
      DataColumn.difference("full", "strategy_value") + DataColumn.perplexityRatios
      + DataColumn.differenceCounts
    return DataTable(
      "quality_difference", compared,
      (names + label).map { $0.of(\.row) } + difference.map { $0.of(\.difference) }
        + cell.map { $0.of(\.row) })
  }

  /// The task with what tells it from others of its name.
  private var label: [DataColumn<AnalysedRow>] { [.init("task_label") { $0.task }] }

  /// Over all texts, or tasks of a family, together.
  private var poolData: DataTable {
    let place: [DataColumn<PooledStrategy>] = pooledPlace.map { $0.of(\.pool) }
    let difference =
      DataColumn.difference("full", "strategy_value") + DataColumn.perplexityRatios
      + DataColumn.differenceCounts
    return DataTable(
      "pooled_difference", pooledStrategies,
      place + [.init("strategy") { $0.label }] + difference.map { $0.of(\.toFull) } + [
        .init("worst") { $0.worst?.name },
        .init("worst_difference") { $0.worst?.difference.mean },
        .init("reference") { $0.toReference == nil ? nil : $0.reference },
        .init("reference_difference") { $0.toReference?.mean },
        .init("reference_difference_low") { $0.toReference?.interval?.low },
        .init("reference_difference_high") { $0.toReference?.interval?.high },
      ])
  }

  private var pooledPlace: [DataColumn<Pool>] {
    let experiment = results.experiment.name
    return [
      .init("experiment") { _ in experiment }, .init("model") { $0.key.model },
      .init("context_length") { $0.key.contextLength }, .init("task") { $0.key.task },
      .init("protocol") { $0.key.taskProtocol }, .init("query_aware") { $0.key.queryAware },
      .init("tasks") { $0.names.joined(separator: ", ") },
      .init("task_labels") { pool in
        let cells = pool.labels.first.flatMap(pool.cells) ?? []
        return JSONValue.array(cells.map { .string($0.task) }).canonicalText
      },
    ]
  }

  private var primaryData: DataTable {
    let contrast: [DataColumn<TestedContrast>] = [
      .init("a") { $0.contrast.first }, .init("b") { $0.contrast.second },
    ]
    let difference = DataColumn.difference("a_value", "b_value") + DataColumn.differenceCounts
    return DataTable(
      "primary_contrast", primaryContrasts,
      pooledPlace.map { $0.of(\.pool) } + contrast + difference.map { $0.of(\.difference) } + [
        .init("corrected_low") { $0.interval?.low }, .init("corrected_high") { $0.interval?.high },
        .init("corrected_p_value") { $0.corrected?.pValue }, .init("better") { $0.better },
      ])
  }

  private typealias Ratio = (figure: TimeFigure, spread: Spread)

  /// Every ratio of times to full, and of full to itself.
  private var ratioData: DataTable {
    let columns: [DataColumn<Ratio>] = [
      .init("figure") { $0.figure.column.rawValue }, .init("ratio") { $0.spread.median },
      .init("ratio_low") { $0.spread.interval?.low },
      .init("ratio_high") { $0.spread.interval?.high }, .init("repeats") { $0.spread.count },
    ]
    return table("time_ratio", columns) { row in
      TimeFigure.allCases.compactMap { figure in row.ratios[figure].map { (figure, $0) } }
    }
  }

  private typealias Cluster = (number: Int, units: [ScoredUnit])

  /// What every interval of quality is worked out from: a row for each window or prompt, with sums over its tokens.
  private var clusterData: DataTable {
    func sum(_ units: [ScoredUnit], _ value: (ScoredUnit) -> Double?) -> Double? {
      let values = units.compactMap(value)
      return values.isEmpty ? nil : values.reduce(0, +)
    }
    let columns: [DataColumn<Cluster>] = [
      .init("cluster") { $0.number }, .init("tokens") { $0.units.reduce(0) { $0 + $1.tokens } },
      .init("negative_log_likelihood") { sum($0.units, \.negativeLogLikelihood) },
      .init("logit_kl") { sum($0.units, \.logitKL) },
      .init("score") { $0.units.compactMap(\.score).mean },
    ]
    let clusters = rows.flatMap { row in
      row.row.units.grouped(\.sample).map { (row: row, cluster: ($0.key, $0.elements) as Cluster) }
    }
    // Without the cell's long identity: the file is kept beside reports.
    return DataTable(
      "cluster", clusters,
      (names.dropFirst() + label).map { $0.of(\.row) } + columns.map { $0.of(\.cluster) })
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

  private typealias Timed = (stored: StoredTimingGroup, sample: TimingSample, isControl: Bool)

  private var timingData: DataTable {
    let columns: [DataColumn<Timed>] = [
      .init("timing_group") { Int($0.stored.id) }, .init("run") { Int($0.stored.run) },
      .init("threads") { $0.stored.group.threads }, .init("is_warmup") { $0.sample.isWarmup },
      .init("repetition") { $0.sample.repetition }, .init("is_control") { $0.isControl },
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
        stored.group.samples.map { (stored: stored, sample: $0, isControl: false) }
          + stored.group.controls.map { (stored: stored, sample: $0, isControl: true) }
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

  static var perplexityRatios: [Self] {
    [
      .init("perplexity_ratio") { $0.perplexityRatio },
      .init("perplexity_ratio_low") { $0.perplexityRatioInterval?.low },
      .init("perplexity_ratio_high") { $0.perplexityRatioInterval?.high },
    ]
  }

  static var differenceCounts: [Self] {
    [
      .init("p_value") { $0.pValue }, .init("clusters") { $0.clusterCount },
      .init("cluster_kind") { $0.clusterKind.rawValue }, .init("clusters_up") { $0.up },
      .init("clusters_down") { $0.down }, .init("clusters_same") { $0.same },
      .init("unit_count") { $0.unitCount },
    ]
  }
}
