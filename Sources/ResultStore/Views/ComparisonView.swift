import Records

/// The view `comparison`: one row per experiment and cell, what people and reports look at. Its figures are the
/// cases of `ComparisonColumn`, in their order; how each comes about follows from its name.
enum ComparisonView {
  static let query = """
    WITH scope (cell_id) AS MATERIALIZED (
      SELECT cell_id FROM experiment_cell UNION SELECT full_cell_id FROM experiment_cell
    ),
    -- Grouped in the order of the primary key, so that no row of a head is sorted.
    over_heads AS (
      SELECT cell_id, setting, phase,
    \(overHeads.map { "    \($0.expression) AS \($0.name)" }.joined(separator: ",\n"))
      FROM head_measurement AS head
      WHERE cell_id IN scope
      GROUP BY cell_id, setting, phase, run_id
      HAVING EXISTS (
        SELECT 1 FROM newest_kind AS newest
        WHERE newest.cell_id = head.cell_id AND newest.run_id = head.run_id
          AND newest.kind = 'approximation')
    ),
    head AS (
      SELECT cell_id,
    \(list(ComparisonColumn.allCases) { column in column.overSettings })
      FROM over_heads GROUP BY cell_id
    ),
    figure AS MATERIALIZED (
      SELECT cell_id,
    \(list(ComparisonColumn.allCases) { column in column.overMeasurements }),
        max(value) FILTER (WHERE name = 'matchStatus' AND statistic = 'value') AS match_code
      FROM newest_measurement
      -- One pass over a cell's rows is quicker than a look for each name in the index: the plus sign.
      WHERE cell_id IN scope AND +name IN (\(measurementNames))
      GROUP BY cell_id
    ),
    \(ClusterIntervals.tables),
    scored AS (
      SELECT cell_id, count(*) AS sample_count, sum(unit_count) AS unit_count,
        CASE WHEN count(loss) > 0 THEN 'window' ELSE 'prompt' END AS cluster_kind
      FROM cluster GROUP BY cell_id
    ),
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

  /// What is worked out over the heads of one setting and phase: columns' names without `propagated_` and `decode_`.
  fileprivate static let overHeads = [
    (name: "relative_output_error", expression: "avg(relative_output_error)"),
    (name: "worst_relative_output_error", expression: "max(worst_query_error)"),
    (name: "dropped_mass", expression: "avg(dropped_mass)"),
    (name: "worst_dropped_mass", expression: "max(dropped_mass_maximum)"),
    (name: "output_cosine", expression: "avg(output_cosine)"),
    (name: "worst_output_cosine", expression: "min(output_cosine)"),
    (name: "bound_ratio", expression: "max(bound_ratio)"),
    (name: "density", expression: "avg(density)"),
    (name: "nominal_density", expression: "avg(nominal_density)"),
    (name: "retained_fraction", expression: "avg(retained_fraction)"),
  ]

  private static let measurementNames =
    Set(ComparisonColumn.allCases.compactMap(\.measurementName) + ["matchStatus"])
    .sorted().map { "'\($0)'" }.joined(separator: ", ")

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
    case _ where overSettings != nil && measurementName != nil:
      "coalesce(head.\(name), figure.\(name))"
    case _ where overSettings != nil: "head.\(name)"
    default: "figure.\(name)"
    }
  }

  /// Over the rows of `newest_measurement` of a cell; nil for what is not stored as it is.
  fileprivate var overMeasurements: String? {
    guard let measurementName else { return nil }
    let statistics = self == .logitKLP95 ? "'p95'" : "'value', 'mean'"
    return
      "max(value) FILTER (WHERE name = '\(measurementName)' AND statistic IN (\(statistics)))"
  }

  /// Over the rows of `over_heads` of a cell; nil for what does not come from heads.
  fileprivate var overSettings: String? {
    var name = rawValue
    func hasPrefix(_ prefix: String) -> Bool {
      guard name.hasPrefix(prefix) else { return false }
      name.removeFirst(prefix.count)
      return true
    }
    let setting = hasPrefix("propagated_") ? "propagated" : "isolated"
    let phase = hasPrefix("decode_") ? "decode" : "prefill"
    guard ComparisonView.overHeads.contains(where: { $0.name == name }) else { return nil }
    let figure = "max(\(name)) FILTER (WHERE setting = '\(setting)' AND phase = '\(phase)')"
    return switch name {
    case "bound_ratio": "max(bound_ratio)"
    // Of the isolated setting, or of the other where there is only that.
    case "density", "nominal_density", "retained_fraction":
      "coalesce(\(figure), max(\(name)) FILTER (WHERE phase = '\(phase)'))"
    default: figure
    }
  }
}
