extension FirstSchema {
  /// Errors head by head, and the strategies that no other one beats.
  static let summaryViews = headSummary(task: "cell.task") + paretoView

  /// With the task's label in place of its name.
  static let labelledHeadSummary = headSummary(
    task: "coalesce(planned.task_label, cell.task) AS task")

  private static func headSummary(task: String) -> String {
    """
    CREATE VIEW head_summary AS
    SELECT experiment.name AS experiment, planned.model AS model, cell.context_length,
      planned.label AS strategy, \(task), cell.protocol, cell.query_aware,
      head.setting, head.phase, head.layer, head.query_head,
      head.relative_output_error, head.worst_query_error, head.last_query_error,
      head.output_cosine, head.dropped_mass, head.dropped_mass_p95, head.dropped_mass_maximum,
      head.bound_ratio, head.density, head.nominal_density, head.retained_fraction,
      cell.identity AS cell
    FROM experiment_cell AS planned
    JOIN experiment ON experiment.id = planned.experiment_id
    JOIN cell ON cell.id = planned.cell_id
    JOIN newest_head_measurement AS head ON head.cell_id = planned.cell_id;

    """
  }

  private static let paretoView = """
    CREATE VIEW pareto AS
    WITH base AS MATERIALIZED (SELECT * FROM comparison),
    cost (experiment, position, name, value) AS (
      SELECT experiment, position, 'kv_cache_resident_bytes', kv_cache_resident_bytes FROM base
      UNION ALL
      SELECT experiment, position, 'density', density FROM base
      UNION ALL
      SELECT experiment, position, 'time_to_first_token_ratio', time_to_first_token_ratio FROM base
      UNION ALL
      SELECT experiment, position, 'time_per_output_token_ratio', time_per_output_token_ratio
      FROM base
    ),
    quality (experiment, position, name, value, loss) AS (
      SELECT experiment, position, 'relative_output_error', relative_output_error,
        relative_output_error
      FROM base
      UNION ALL
      SELECT experiment, position, 'perplexity', perplexity, perplexity FROM base
      UNION ALL
      SELECT experiment, position, 'score', score, -score FROM base
    ),
    point AS (
      SELECT base.experiment, base.model, base.context_length, base.strategy, base.task,
        base.protocol, base.query_aware, cost.name AS cost, cost.value AS cost_value,
        quality.name AS quality, quality.value AS quality_value, quality.loss, base.cell,
        min(quality.loss) OVER (
          PARTITION BY base.experiment, base.model, base.context_length, base.task, base.protocol,
            base.query_aware, base.full_cell, cost.name, quality.name
          ORDER BY cost.value
          RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS least_loss,
        min(quality.loss) OVER (
          PARTITION BY base.experiment, base.model, base.context_length, base.task, base.protocol,
            base.query_aware, base.full_cell, cost.name, quality.name
          ORDER BY cost.value
          GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS least_loss_cheaper
      FROM base
      JOIN cost USING (experiment, position)
      JOIN quality USING (experiment, position)
      WHERE cost.value IS NOT NULL AND quality.loss IS NOT NULL
    )
    SELECT experiment, model, context_length, task, protocol, query_aware, cost, quality, strategy,
      cost_value, quality_value, cell
    FROM point
    WHERE loss <= least_loss AND (least_loss_cheaper IS NULL OR loss < least_loss_cheaper)
    ORDER BY experiment, model, context_length, task, protocol, cost, quality, cost_value;
    """
}
