import GRDB

/// A view: its name and the query behind it.
struct View {
  var name: String
  var query: String
}

/// The views, each after those that it reads.
///
/// They say what "newest" means: of several runs the one that started last (of equal times the one with the larger
/// identity), never a row's number, which another file would give differently. None of them groups whole tables,
/// so that a query for one cell reads that cell's rows; ``Scope`` narrows them to an experiment or a run.
enum ResultViews {
  static let all = [
    View(name: "experiment_cell", query: experimentCell),
    View(name: "newest_kind", query: newestKind),
    View(name: "newest_measurement", query: newestMeasurement),
    View(name: "newest_head_measurement", query: newestHeadMeasurement),
    View(name: "newest_kept_tokens", query: newestKeptTokens),
    View(name: "newest_unit", query: newestUnit),
    View(name: "newest_timing", query: newestTiming),
    View(name: "timing_ratio", query: timingRatio),
    View(name: "current_failure", query: currentFailure),
    View(name: "comparison", query: ComparisonView.query),
    View(name: "head_summary", query: headSummary),
    View(name: "pareto", query: pareto),
  ]

  /// Whether the run of the row `later` is newer than that of the row `run`.
  private static let isNewer = "(later.started_at, later.identity) > (run.started_at, run.identity)"

  private static let experimentCell = """
    SELECT run.experiment_id, plan_cell.position, plan_cell.cell_id, plan_cell.model,
      plan_cell.label, plan_cell.task_label, plan_cell.full_cell_id, plan_cell.matched_cell_id
    FROM run
    JOIN plan_cell ON plan_cell.plan_id = run.plan_id
    WHERE NOT EXISTS (
      -- A run whose plan was left out of its file says nothing of others' plans.
      SELECT 1 FROM run AS later WHERE later.experiment_id = run.experiment_id
        AND later.plan_id IS NOT NULL AND \(isNewer))
    """

  private static let newestKind = """
    SELECT cell_kind.cell_id, cell_kind.kind, cell_kind.run_id
    FROM cell_kind
    JOIN run ON run.id = cell_kind.run_id
    WHERE NOT EXISTS (
      SELECT 1 FROM cell_kind AS other JOIN run AS later ON later.id = other.run_id
      WHERE other.cell_id = cell_kind.cell_id AND other.kind = cell_kind.kind AND \(isNewer))
    """

  private static let newestMeasurement = """
    SELECT measurement.cell_id, measurement.name, measurement.statistic, measurement.setting,
      measurement.phase, measurement.value, measurement.unit, measurement.run_id,
      measurement.timing_group_id, measurement.id
    FROM measurement
    JOIN run ON run.id = measurement.run_id
    WHERE NOT EXISTS (
      -- Most rows are alone: for these no other run is looked up.
      SELECT 1 FROM measurement AS other CROSS JOIN run AS later ON later.id = other.run_id
      WHERE other.cell_id = measurement.cell_id AND other.name = measurement.name
        AND other.statistic = measurement.statistic AND other.setting IS measurement.setting
        AND other.phase IS measurement.phase AND other.id <> measurement.id
        -- A run's own rows stand in the order in which it stored them.
        AND (later.started_at, later.identity, other.id)
          > (run.started_at, run.identity, measurement.id))
    """

  private static let newestHeadMeasurement = """
    SELECT head_measurement.*
    FROM newest_kind
    CROSS JOIN head_measurement
      ON head_measurement.cell_id = newest_kind.cell_id
      AND head_measurement.run_id = newest_kind.run_id
    WHERE newest_kind.kind = 'approximation'
    """

  private static let newestKeptTokens = """
    SELECT kept_tokens.*
    FROM newest_kind
    JOIN kept_tokens
      ON kept_tokens.cell_id = newest_kind.cell_id AND kept_tokens.run_id = newest_kind.run_id
    WHERE newest_kind.kind = 'memory'
    """

  private static let newestUnit = """
    SELECT sample.cell_id, sample.run_id, sample.number AS sample, unit.number, unit.place,
      unit.tokens, unit.negative_log_likelihood, unit.logit_kl, unit.top_one_agreements,
      unit.score, unit.answer, unit.expected
    FROM newest_kind
    JOIN sample ON sample.cell_id = newest_kind.cell_id AND sample.run_id = newest_kind.run_id
    JOIN unit ON unit.sample_id = sample.id
    WHERE newest_kind.kind = 'quality'
    """

  private static let newestTiming = """
    SELECT timing.cell_id, timing.timing_group_id, timing_group.run_id, timing_group.threads,
      timing.position, timing.repetition, timing.prompt_tokens, timing.decode_tokens,
      timing.time_to_first_token, timing.time_per_output_token,
      timing.attention_time, timing.selection_time,
      timing.attention_time + timing.selection_time AS attention_and_selection_time,
      timing.compaction_time, timing.other_time,
      timing.decode_attention_time, timing.decode_selection_time, timing.decode_compaction_time,
      timing.decode_other_time,
      timing.prompt_tokens / timing.time_to_first_token AS prefill_tokens_per_second,
      1 / timing.time_per_output_token AS decode_tokens_per_second
    FROM timing
    JOIN timing_group ON timing_group.id = timing.timing_group_id
    WHERE timing.is_warmup = 0
      AND timing_group.run_id = (
        SELECT run_id FROM newest_kind WHERE cell_id = timing.cell_id AND kind = 'latency')
      AND NOT EXISTS (
        SELECT 1 FROM timing AS other JOIN timing_group AS later ON later.id = other.timing_group_id
        WHERE other.cell_id = timing.cell_id AND other.is_warmup = 0
          AND later.run_id = timing_group.run_id AND later.id > timing_group.id)
    """

  private static let timingRatio = """
    SELECT planned.experiment_id, own.cell_id, own.timing_group_id, own.repetition,
      own.time_to_first_token / dense.time_to_first_token AS time_to_first_token_ratio,
      own.time_per_output_token / dense.time_per_output_token AS time_per_output_token_ratio,
      own.attention_time / dense.attention_time AS attention_time_ratio,
      own.selection_time / dense.selection_time AS selection_time_ratio,
      own.attention_and_selection_time / (dense.attention_time + dense.selection_time)
        AS attention_and_selection_time_ratio,
      own.compaction_time / dense.compaction_time AS compaction_time_ratio,
      own.other_time / dense.other_time AS other_time_ratio,
      own.decode_attention_time / dense.decode_attention_time AS decode_attention_time_ratio
    FROM (SELECT DISTINCT experiment_id, cell_id, full_cell_id FROM experiment_cell) AS planned
    CROSS JOIN newest_timing AS own ON own.cell_id = planned.cell_id
    JOIN timing AS dense
      ON dense.cell_id = planned.full_cell_id
      AND dense.timing_group_id = own.timing_group_id
      AND dense.repetition = own.repetition
      AND dense.is_warmup = 0
    """

  /// A failure stands until all kinds that it prevented are stored; those of old files do not name them, and stand
  /// until anything is.
  private static let currentFailure = """
    SELECT failure.*
    FROM failure
    JOIN run ON run.id = failure.run_id
    WHERE NOT EXISTS (
        SELECT 1 FROM failure AS other JOIN run AS later ON later.id = other.run_id
        WHERE other.cell_id = failure.cell_id
          AND (later.started_at, later.identity, other.id)
            > (run.started_at, run.identity, failure.id))
      AND CASE WHEN failure.kinds IS NULL
        THEN NOT EXISTS (
          SELECT 1 FROM cell_kind JOIN run AS later ON later.id = cell_kind.run_id
          WHERE cell_kind.cell_id = failure.cell_id AND \(isNewer))
        ELSE EXISTS (
          SELECT 1 FROM json_each(failure.kinds) AS prevented
          WHERE NOT EXISTS (
            SELECT 1 FROM cell_kind JOIN run AS later ON later.id = cell_kind.run_id
            WHERE cell_kind.cell_id = failure.cell_id AND cell_kind.kind = prevented.value
              AND \(isNewer)))
        END
    """

  private static let headSummary = """
    SELECT experiment.name AS experiment, planned.model AS model, cell.context_length,
      planned.label AS strategy, coalesce(planned.task_label, cell.task) AS task, cell.protocol,
      cell.query_aware, head.setting, head.phase, head.layer, head.query_head,
      head.relative_output_error, head.worst_query_error, head.last_query_error,
      head.output_cosine, head.dropped_mass, head.dropped_mass_p95, head.dropped_mass_maximum,
      head.bound_ratio, head.density, head.nominal_density, head.retained_fraction,
      cell.identity AS cell
    FROM experiment_cell AS planned
    JOIN experiment ON experiment.id = planned.experiment_id
    JOIN cell ON cell.id = planned.cell_id
    JOIN newest_head_measurement AS head ON head.cell_id = planned.cell_id
    """

  private static let pareto = """
    WITH base AS MATERIALIZED (
      SELECT *,
        -- Seen to leave nothing of the prompt out: what it does, it does afterwards.
        strategy_role <> 'reference' AND cell <> full_cell AND coalesce(nominal_density, 0) >= 1
          AS acts_later
      FROM comparison
    ),
    cost (experiment, position, name, value) AS (
    \(values(of: costs))
    ),
    quality (experiment, position, name, value, loss) AS (
      -- Errors are the prompt's, under every protocol.
      SELECT experiment, position, 'relative_output_error', relative_output_error,
        relative_output_error
      FROM base WHERE NOT acts_later UNION ALL
      SELECT experiment, position, 'perplexity', perplexity, perplexity
      FROM base WHERE NOT (acts_later AND protocol IS 'prefill') UNION ALL
      SELECT experiment, position, 'score', score, -score FROM base
    ),
    point AS (
      SELECT base.experiment, base.model, base.context_length, base.strategy, base.task,
        base.protocol, base.query_aware, cost.name AS cost, cost.value AS cost_value,
        quality.name AS quality, quality.value AS quality_value, quality.loss, base.cell,
        min(quality.loss) OVER (
          rivals ORDER BY cost.value
          RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS least_loss,
        min(quality.loss) OVER (
          rivals ORDER BY cost.value
          GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS least_loss_cheaper
      FROM base
      JOIN cost USING (experiment, position)
      JOIN quality USING (experiment, position)
      WHERE cost.value IS NOT NULL AND quality.loss IS NOT NULL
      WINDOW rivals AS (
        PARTITION BY base.experiment, base.model, base.context_length, base.task, base.protocol,
          base.query_aware, base.full_cell, cost.name, quality.name)
    )
    SELECT experiment, model, context_length, task, protocol, query_aware, cost, quality, strategy,
      cost_value, quality_value, cell
    FROM point
    WHERE loss <= least_loss AND (least_loss_cheaper IS NULL OR loss < least_loss_cheaper)
    ORDER BY experiment, model, context_length, task, protocol, cost, quality, cost_value
    """

  private static let costs = [
    "kv_cache_resident_bytes", "density", "time_to_first_token_ratio",
    "time_per_output_token_ratio",
  ]

  private static func values(of columns: [String]) -> String {
    columns.map { "  SELECT experiment, position, '\($0)', \($0) FROM base" }
      .joined(separator: " UNION ALL\n")
  }
}

extension ResultViews {
  /// Makes the views anew where a file holds others, whatever version of the program made them; views that people
  /// have added under other names stay.
  static func renew(in database: Database) throws {
    guard try !areCurrent(in: database) else { return }
    for view in all { try database.execute(sql: "DROP VIEW IF EXISTS \(view.name)") }
    for view in all { try database.execute(sql: view.definition) }
  }

  static func areCurrent(in database: Database) throws -> Bool {
    let stored = try Row.fetchAll(
      database, sql: "SELECT name, sql FROM sqlite_master WHERE type = 'view'")
    let definitions = try Dictionary(
      stored.map { (try $0.value("name", as: String.self), try $0.value("sql", as: String.self)) },
      uniquingKeysWith: { first, _ in first })
    return all.allSatisfy { definitions[$0.name] == $0.definition }
  }
}

extension View {
  fileprivate var definition: String { "CREATE VIEW \(name) AS\n\(query)" }
}
