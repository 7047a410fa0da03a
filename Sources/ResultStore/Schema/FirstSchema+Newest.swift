extension FirstSchema {
  /// The newest figures of each cell, whatever experiment asked for them.
  static let newestViews = """
    CREATE VIEW newest_measurement AS
    SELECT cell_id, name, statistic, setting, phase, value, unit, run_id, timing_group_id,
      max(id) AS id
    FROM measurement
    GROUP BY cell_id, name, statistic, setting, phase;

    CREATE VIEW newest_head_measurement AS
    SELECT head_measurement.*
    FROM head_measurement
    JOIN (
      SELECT cell_id, setting, phase, max(run_id) AS run_id
      FROM head_measurement
      GROUP BY cell_id, setting, phase
    ) AS newest USING (cell_id, setting, phase, run_id);

    CREATE VIEW newest_unit AS
    SELECT sample.cell_id, sample.run_id, sample.number AS sample, unit.number, unit.place,
      unit.tokens, unit.negative_log_likelihood, unit.logit_kl, unit.top_one_agreements,
      unit.score, unit.answer, unit.expected
    FROM sample
    JOIN unit ON unit.sample_id = sample.id
    WHERE sample.run_id =
      (SELECT max(other.run_id) FROM sample AS other WHERE other.cell_id = sample.cell_id);

    CREATE VIEW newest_timing AS
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
      AND timing.timing_group_id = (
        SELECT max(other.timing_group_id) FROM timing AS other
        WHERE other.cell_id = timing.cell_id AND other.is_warmup = 0);

    CREATE VIEW timing_ratio AS
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
    JOIN newest_timing AS own ON own.cell_id = planned.cell_id
    JOIN timing AS dense
      ON dense.cell_id = planned.full_cell_id
      AND dense.timing_group_id = own.timing_group_id
      AND dense.repetition = own.repetition
      AND dense.is_warmup = 0;

    CREATE VIEW current_failure AS
    SELECT failure.*
    FROM failure
    WHERE failure.id =
        (SELECT max(other.id) FROM failure AS other WHERE other.cell_id = failure.cell_id)
      AND NOT EXISTS (
        SELECT 1 FROM cell_kind
        WHERE cell_kind.cell_id = failure.cell_id AND cell_kind.run_id > failure.run_id);
    """
}
