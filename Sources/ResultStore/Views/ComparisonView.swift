import Records

/// The view `comparison`: one row per experiment and cell, what people and reports look at. Its figures are the
/// cases of `ComparisonColumn`, in their order; how each comes about follows from its name.
enum ComparisonView {
  static let query = """
    WITH scope (cell_id) AS MATERIALIZED (
      SELECT cell_id FROM experiment_cell UNION SELECT full_cell_id FROM experiment_cell
    ),
    head AS (
      SELECT scope.cell_id,
    \(list(ComparisonColumn.allCases) { column in column.overHeads })
      FROM scope CROSS JOIN newest_head_measurement USING (cell_id)
      GROUP BY scope.cell_id
    ),
    figure AS MATERIALIZED (
      SELECT scope.cell_id,
    \(list(ComparisonColumn.allCases) { column in column.overMeasurements }),
        max(CASE WHEN name = 'matchStatus' AND statistic = 'value' THEN value END) AS match_code
      FROM scope CROSS JOIN newest_measurement USING (cell_id)
      GROUP BY scope.cell_id
    ),
    scored AS (
      SELECT scope.cell_id, count(DISTINCT sample) AS sample_count, count(*) AS unit_count,
        CASE WHEN count(negative_log_likelihood) > 0 THEN 'window' ELSE 'prompt' END
          AS cluster_kind
      FROM scope CROSS JOIN newest_unit USING (cell_id)
      GROUP BY scope.cell_id
    ),
    \(ClusterIntervals.tables),
    counted AS MATERIALIZED (
      SELECT newest_timing.* FROM scope CROSS JOIN newest_timing USING (cell_id)
    ),
    repeats AS (SELECT cell_id, count(*) AS repeat_count FROM counted GROUP BY cell_id),
    median_time AS (
    \(medians(of: TimeFigure.allCases.map(\.column), from: "counted", by: "cell_id"))
    ),
    paired AS MATERIALIZED (SELECT * FROM timing_ratio),
    median_ratio AS (
    \(medians(of: ratios, from: "paired", by: "experiment_id, cell_id"))
    )
    SELECT experiment.name AS experiment, planned.model AS model, cell.context_length,
      planned.label AS strategy, coalesce(planned.task_label, cell.task) AS task, cell.protocol,
      cell.query_aware,
      coalesce(
        CASE WHEN json_valid(cell.strategy_parameters)
          THEN CASE json_type(cell.strategy_parameters, '$.cache') WHEN 'object'
            THEN json_extract(cell.strategy_parameters, '$.cache.keys') || '/'
              || json_extract(cell.strategy_parameters, '$.cache.values')
            ELSE json_extract(cell.strategy_parameters, '$.cache') END END, 'f32') AS cache,
      CASE figure.match_code \(matchWords) END AS match_status,
      scored.cluster_kind,
    \(list(ComparisonColumn.allCases) { column in column.expression }),
      planned.position, cell.strategy AS strategy_name, cell.strategy_role,
      cell.strategy_parameters, cell.task AS task_name, cell.task_parameters,
      cell.selection_looks_ahead, cell.reads_future, cell.identity AS cell,
      full_cell.identity AS full_cell,
      (SELECT reason FROM current_failure WHERE cell_id = planned.cell_id) AS failure
    FROM experiment_cell AS planned
    JOIN experiment ON experiment.id = planned.experiment_id
    JOIN cell ON cell.id = planned.cell_id
    JOIN cell AS full_cell ON full_cell.id = planned.full_cell_id
    LEFT JOIN head ON head.cell_id = planned.cell_id
    LEFT JOIN figure ON figure.cell_id = planned.cell_id
    LEFT JOIN figure AS full_figure ON full_figure.cell_id = planned.full_cell_id
    LEFT JOIN scored ON scored.cell_id = planned.cell_id
    LEFT JOIN difference ON difference.cell_id = planned.cell_id
      AND difference.full_cell_id = planned.full_cell_id
    LEFT JOIN median_time ON median_time.cell_id = planned.cell_id
    LEFT JOIN repeats ON repeats.cell_id = planned.cell_id
    LEFT JOIN median_ratio
      ON median_ratio.experiment_id = planned.experiment_id
      AND median_ratio.cell_id = planned.cell_id
    ORDER BY experiment.name, planned.position
    """

  private static let matchWords = MatchStatus.allCases
    .map { "WHEN \(Int($0.code)) THEN '\($0.rawValue)'" }.joined(separator: " ")

  private static let ratios = TimeFigure.allCases.compactMap(\.ratioColumn)

  /// Columns with the expression of each; those without one are left out.
  private static func list(
    _ columns: [ComparisonColumn], _ expression: (ComparisonColumn) -> String?
  ) -> String {
    columns.compactMap { column in
      expression(column).map { "    \($0) AS \(column.rawValue)" }
    }.joined(separator: ",\n")
  }

  /// The median of each column in a relation's groups: its middle value, or the mean of the middle two.
  private static func medians(
    of columns: [ComparisonColumn], from relation: String, by keys: String
  ) -> String {
    let names = columns.map(\.rawValue)
    let values = names.map { "SELECT \(keys), '\($0)' AS name, \($0) AS value FROM \(relation)" }
    return """
      SELECT \(keys),
      \(list(columns) { column in "avg(CASE WHEN name = '\(column.rawValue)' THEN value END)" })
      FROM (
        SELECT \(keys), name, value,
          row_number() OVER (PARTITION BY \(keys), name ORDER BY value) AS place,
          count(*) OVER (PARTITION BY \(keys), name) AS amount
        FROM (
          \(values.joined(separator: "\n    UNION ALL "))
        )
        WHERE value IS NOT NULL
      )
      WHERE place IN ((amount + 1) / 2, (amount + 2) / 2)
      GROUP BY \(keys)
      """
  }
}

extension ComparisonColumn {
  /// In a row of the cell's own figures, those of its full cell, and times.
  fileprivate var expression: String {
    let name = rawValue
    return switch self {
    case .clusters: "scored.sample_count"
    case .perplexityRatioLow: "exp(difference.mean - difference.half_width)"
    case .perplexityRatioHigh: "exp(difference.mean + difference.half_width)"
    case .sampleCount, .unitCount: "scored.\(name)"
    case .repeatCount: "repeats.\(name)"
    case _ where TimeFigure.allCases.contains { $0.column == self }: "median_time.\(name)"
    case _ where TimeFigure.allCases.contains { $0.ratioColumn == self }: "median_ratio.\(name)"
    case _ where isRatio:
      "figure.\(name.dropLast("_ratio".count)) / full_figure.\(name.dropLast("_ratio".count))"
    // What is stored stands in where no head was measured.
    case _ where overHeads != nil && measurementName != nil:
      "coalesce(head.\(name), figure.\(name))"
    case _ where overHeads != nil: "head.\(name)"
    default: "figure.\(name)"
    }
  }

  /// Over the rows of `newest_measurement` of a cell; nil for what is not stored as it is.
  fileprivate var overMeasurements: String? {
    guard let measurementName else { return nil }
    let statistics = self == .logitKLP95 ? "'p95'" : "'value', 'mean'"
    return
      "max(CASE WHEN name = '\(measurementName)' AND statistic IN (\(statistics)) THEN value END)"
  }

  /// Over the rows of `newest_head_measurement` of a cell; nil for what does not come from heads.
  fileprivate var overHeads: String? {
    var name = rawValue
    func hasPrefix(_ prefix: String) -> Bool {
      guard name.hasPrefix(prefix) else { return false }
      name.removeFirst(prefix.count)
      return true
    }
    let setting = hasPrefix("propagated_") ? "propagated" : "isolated"
    let phase = hasPrefix("decode_") ? "decode" : "prefill"
    let isWorst = hasPrefix("worst_")
    func rows(_ column: String) -> String {
      "CASE WHEN setting = '\(setting)' AND phase = '\(phase)' THEN \(column) END"
    }
    switch name {
    case "relative_output_error":
      return isWorst ? "max(\(rows("worst_query_error")))" : "avg(\(rows(name)))"
    case "dropped_mass":
      return isWorst ? "max(\(rows("dropped_mass_maximum")))" : "avg(\(rows(name)))"
    case "output_cosine":
      return isWorst ? "min(\(rows(name)))" : "avg(\(rows(name)))"
    case "density", "nominal_density", "retained_fraction":
      // Of the isolated setting, or of the other where there is only that.
      return "coalesce(avg(\(rows(name))), avg(CASE WHEN phase = '\(phase)' THEN \(name) END))"
    case "bound_ratio":
      return "max(bound_ratio)"
    default:
      return nil
    }
  }
}
