extension FirstSchema {
  /// One row per experiment and cell: what people and reports look at.
  static let comparisonView = comparisonView(
    measured: measuredColumns, task: "cell.task", chance: "", taskName: "")

  /// With the task's label in place of its name, the name, and the chance level.
  static let labelledComparisonView = comparisonView(
    measured: measuredColumns + [("chance_level", "chanceLevel", "'value', 'mean'")],
    task: "coalesce(planned.task_label, cell.task) AS task", chance: "figure.chance_level,",
    taskName: "cell.task AS task_name,")

  private static func comparisonView(
    measured: [(column: String, name: String, statistics: String)], task: String, chance: String,
    taskName: String
  ) -> String {
    """
    CREATE VIEW comparison AS
    WITH head AS (
      SELECT cell_id,
    \(lines(headColumns.map { "    \($0.expression) AS \($0.name)" })),
        max(bound_ratio) AS bound_ratio,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'prefill' THEN density END),
          avg(CASE WHEN phase = 'prefill' THEN density END)) AS density,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'prefill' THEN nominal_density END),
          avg(CASE WHEN phase = 'prefill' THEN nominal_density END)) AS nominal_density,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'prefill' THEN retained_fraction END),
          avg(CASE WHEN phase = 'prefill' THEN retained_fraction END)) AS retained_fraction,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'decode' THEN density END),
          avg(CASE WHEN phase = 'decode' THEN density END)) AS decode_density,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'decode' THEN nominal_density END),
          avg(CASE WHEN phase = 'decode' THEN nominal_density END)) AS decode_nominal_density,
        coalesce(
          avg(CASE WHEN setting = 'isolated' AND phase = 'decode' THEN retained_fraction END),
          avg(CASE WHEN phase = 'decode' THEN retained_fraction END)) AS decode_retained_fraction
      FROM newest_head_measurement
      GROUP BY cell_id
    ),
    figure AS (
      SELECT cell_id,
    \(lines(measured.map { "    \(pivot($0)) AS \($0.column)" }))
      FROM newest_measurement
      GROUP BY cell_id
    ),
    scored AS (
      SELECT cell_id, count(DISTINCT sample) AS sample_count, count(*) AS unit_count
      FROM newest_unit
      GROUP BY cell_id
    ),
    counted AS MATERIALIZED (SELECT * FROM newest_timing),
    paired AS MATERIALIZED (SELECT * FROM timing_ratio),
    time_value (cell_id, name, value) AS (
    \(union(timeColumns.map { "  SELECT cell_id, '\($0)', \($0) FROM counted" }))
    ),
    placed_time AS (
      SELECT cell_id, name, value,
        row_number() OVER (PARTITION BY cell_id, name ORDER BY value) AS place,
        count(*) OVER (PARTITION BY cell_id, name) AS amount
      FROM time_value
      WHERE value IS NOT NULL
    ),
    median_time AS (
      SELECT cell_id,
    \(lines(timeColumns.map { "    avg(CASE WHEN name = '\($0)' THEN value END) AS \($0)" }))
      FROM placed_time
      WHERE place IN ((amount + 1) / 2, (amount + 2) / 2)
      GROUP BY cell_id
    ),
    repeats AS (SELECT cell_id, count(*) AS repeat_count FROM counted GROUP BY cell_id),
    ratio_value (experiment_id, cell_id, name, value) AS (
    \(union(ratioColumns.map { "  SELECT experiment_id, cell_id, '\($0)', \($0) FROM paired" }))
    ),
    placed_ratio AS (
      SELECT experiment_id, cell_id, name, value,
        row_number() OVER (PARTITION BY experiment_id, cell_id, name ORDER BY value) AS place,
        count(*) OVER (PARTITION BY experiment_id, cell_id, name) AS amount
      FROM ratio_value
      WHERE value IS NOT NULL
    ),
    median_ratio AS (
      SELECT experiment_id, cell_id,
    \(lines(ratioColumns.map { "    avg(CASE WHEN name = '\($0)' THEN value END) AS \($0)" }))
      FROM placed_ratio
      WHERE place IN ((amount + 1) / 2, (amount + 2) / 2)
      GROUP BY experiment_id, cell_id
    )
    SELECT experiment.name AS experiment, planned.model AS model, cell.context_length,
      planned.label AS strategy, \(task), cell.protocol, cell.query_aware,
    \(lines(headColumns.map { "  head.\($0.name)" })),
      head.bound_ratio,
      coalesce(head.density, figure.density) AS density,
      coalesce(head.nominal_density, figure.nominal_density) AS nominal_density,
      coalesce(head.retained_fraction, figure.retained_fraction) AS retained_fraction,
      head.decode_density, head.decode_nominal_density, head.decode_retained_fraction,
    \(lines(byteColumns.map { "  figure.\($0)" })),
    \(lines(byteColumns.map { "  figure.\($0) / full_figure.\($0) AS \($0)_ratio" })),
      figure.perplexity, figure.perplexity / full_figure.perplexity AS perplexity_ratio,
      figure.negative_log_likelihood, figure.logit_kl, figure.logit_kl_p95,
      figure.top_one_agreement, figure.score, \(chance)
    \(lines(timeColumns.map { "  median_time.\($0)" })),
    \(lines(ratioColumns.map { "  median_ratio.\($0)" })),
      scored.sample_count, scored.unit_count, repeats.repeat_count,
      planned.position, cell.strategy AS strategy_name, cell.strategy_parameters,
      \(taskName) cell.task_parameters, cell.selection_looks_ahead, cell.identity AS cell,
      full_cell.identity AS full_cell, current_failure.reason AS failure
    FROM experiment_cell AS planned
    JOIN experiment ON experiment.id = planned.experiment_id
    JOIN cell ON cell.id = planned.cell_id
    JOIN cell AS full_cell ON full_cell.id = planned.full_cell_id
    LEFT JOIN head ON head.cell_id = planned.cell_id
    LEFT JOIN figure ON figure.cell_id = planned.cell_id
    LEFT JOIN figure AS full_figure ON full_figure.cell_id = planned.full_cell_id
    LEFT JOIN scored ON scored.cell_id = planned.cell_id
    LEFT JOIN median_time ON median_time.cell_id = planned.cell_id
    LEFT JOIN repeats ON repeats.cell_id = planned.cell_id
    LEFT JOIN median_ratio
      ON median_ratio.experiment_id = planned.experiment_id
      AND median_ratio.cell_id = planned.cell_id
    LEFT JOIN current_failure ON current_failure.cell_id = planned.cell_id
    ORDER BY experiment.name, planned.position;
    """
  }

  /// Approximation columns: every setting and phase, each with its mean and its worst.
  private static let headColumns: [(name: String, expression: String)] = {
    var columns: [(name: String, expression: String)] = []
    for (prefix, setting, phase) in [
      ("", "isolated", "prefill"), ("propagated_", "propagated", "prefill"),
      ("decode_", "isolated", "decode"), ("propagated_decode_", "propagated", "decode"),
    ] {
      for (name, function, source) in [
        ("relative_output_error", "avg", "relative_output_error"),
        ("worst_relative_output_error", "max", "worst_query_error"),
        ("dropped_mass", "avg", "dropped_mass"),
        ("worst_dropped_mass", "max", "dropped_mass_maximum"),
        ("output_cosine", "avg", "output_cosine"), ("worst_output_cosine", "min", "output_cosine"),
      ] {
        let rows = "CASE WHEN setting = '\(setting)' AND phase = '\(phase)' THEN \(source) END"
        columns.append((prefix + name, "\(function)(\(rows))"))
      }
    }
    return columns
  }()

  /// Columns that a run stores as they are.
  private static let measuredColumns: [(column: String, name: String, statistics: String)] =
    [
      ("density", "density"), ("nominal_density", "nominalDensity"),
      ("retained_fraction", "retainedFraction"),
      ("kv_cache_resident_bytes", "kvCacheResidentBytes"),
      ("final_kv_cache_resident_bytes", "finalKVCacheResidentBytes"),
      ("kv_cache_logical_bytes", "kvCacheLogicalBytes"), ("workspace_bytes", "workspaceBytes"),
      ("peak_resident_bytes", "peakResidentBytes"), ("perplexity", "perplexity"),
      ("negative_log_likelihood", "negativeLogLikelihood"), ("logit_kl", "logitKL"),
      ("top_one_agreement", "topOneAgreement"), ("score", "score"),
    ].map { ($0.0, $0.1, "'value', 'mean'") } + [("logit_kl_p95", "logitKL", "'p95'")]

  private static let byteColumns = [
    "kv_cache_resident_bytes", "final_kv_cache_resident_bytes", "kv_cache_logical_bytes",
    "workspace_bytes", "peak_resident_bytes",
  ]

  private static let timeColumns = [
    "time_to_first_token", "time_per_output_token", "attention_time", "selection_time",
    "attention_and_selection_time", "compaction_time", "other_time", "decode_attention_time",
    "decode_selection_time", "decode_compaction_time", "decode_other_time",
    "prefill_tokens_per_second", "decode_tokens_per_second",
  ]

  private static let ratioColumns = [
    "time_to_first_token_ratio", "time_per_output_token_ratio", "attention_time_ratio",
    "selection_time_ratio", "attention_and_selection_time_ratio", "compaction_time_ratio",
    "other_time_ratio", "decode_attention_time_ratio",
  ]

  private static func pivot(
    _ measured: (column: String, name: String, statistics: String)
  ) -> String {
    "max(CASE WHEN name = '\(measured.name)' AND statistic IN (\(measured.statistics)) THEN value END)"
  }

  private static func lines(_ expressions: [String]) -> String {
    expressions.joined(separator: ",\n")
  }

  private static func union(_ selects: [String]) -> String {
    selects.joined(separator: "\n  UNION ALL\n")
  }
}
