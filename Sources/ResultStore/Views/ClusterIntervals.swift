/// The 95 % interval of a cell's difference to its full cell, worked out inside the database: Student's t on the
/// differences of windows.
enum ClusterIntervals {
  /// Definitions for a `WITH`, over a `scope` of cells: `cluster` has, for a cell's windows or prompts, the number of
  /// units, and the tokens and the loss of those with a loss, null without any; `difference` has, for a cell and its full cell, the `mean` over
  /// their common windows (nats a token) and the interval's `half_width`, null for fewer than 8 windows.
  static let tables = """
    cluster AS MATERIALIZED (
      SELECT cell_id, sample, count(*) AS unit_count,
        sum(tokens) FILTER (WHERE negative_log_likelihood IS NOT NULL) AS tokens,
        sum(negative_log_likelihood) AS loss
      FROM newest_unit
      WHERE cell_id IN scope
      GROUP BY cell_id, sample
    ),
    deviation AS (
      SELECT planned.cell_id, planned.full_cell_id,
        own.loss / own.tokens - dense.loss / dense.tokens AS value,
        avg(own.loss / own.tokens - dense.loss / dense.tokens) OVER windows AS mean
      FROM (
        SELECT DISTINCT cell_id, full_cell_id FROM experiment_cell WHERE cell_id <> full_cell_id
      ) AS planned
      CROSS JOIN cluster AS own ON own.cell_id = planned.cell_id
      CROSS JOIN cluster AS dense ON dense.cell_id = planned.full_cell_id
        AND dense.sample = own.sample AND dense.tokens = own.tokens
      WINDOW windows AS (PARTITION BY planned.cell_id, planned.full_cell_id)
    ),
    difference AS (
      SELECT cell_id, full_cell_id, avg(value) AS mean,
        CASE WHEN count(*) >= 8
          THEN \(halfWidth) * sqrt(sum((value - mean) * (value - mean)) / (count(*) - 1) / count(*))
        END AS half_width
      FROM deviation GROUP BY cell_id, full_cell_id
    )
    """

  /// Student's t at 97.5 % for count(*) − 1 degrees of freedom, by the series around the normal quantile z
  /// (Abramowitz and Stegun 26.7.5): within 3e-5 of itself from 7 degrees on. Its coefficients, for z = 1.95996398454:
  /// (z³ + z)/4, (5z⁵ + 16z³ + 3z)/96, (3z⁷ + 19z⁵ + 17z³ − 15z)/384, (79z⁹ + 776z⁷ + 1482z⁵ − 1920z³ − 945z)/92160.
  private static let halfWidth: String = {
    let z = 1.959963984540054
    let (z3, z5) = (z * z * z, z * z * z * z * z)
    let (z7, z9) = (z5 * z * z, z5 * z * z * z * z)
    let terms = [
      z, (z3 + z) / 4, (5 * z5 + 16 * z3 + 3 * z) / 96,
      (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / 384,
      (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / 92160,
    ]
    // Horner's scheme in 1 / degrees.
    return terms.dropLast().reversed().reduce("\(terms[terms.count - 1])") { inner, term in
      "(\(term) + \(inner) / (count(*) - 1))"
    }
  }()
}
