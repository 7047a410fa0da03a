import GRDB
import Records

/// Two contents of one cell that cannot both be right: quality, approximation or logical bytes differ, although the same
/// build computed them with the same library and kernels.
///
/// From different builds or kernels the last bits may differ, and both contents stay. Of several runs of one build the
/// newest counts, in either file. Times, and what memory was really taken, are no contents.
enum MergeConflict {
  /// - Throws: ``StoreError`` with `conflict`, naming cells.
  static func refuseAny(in database: Database, source: String, target: String) throws {
    try database.execute(sql: "CREATE TEMP TABLE merged_pair AS \(pairs)")
    let found = try Row.fetchAll(
      database,
      sql: """
        SELECT cell.identity, cell.model, CAST(cell.context_length AS TEXT), cell.strategy,
          cell.strategy_parameters, cell.task, cell.protocol, kind, theirs.identity, ours.identity,
          ours.blas, ours.source_state
        FROM temp.merged_pair AS pair
        JOIN main.cell ON cell.id = pair.own_cell
        JOIN source.run AS theirs ON theirs.id = pair.other_run
        JOIN main.run AS ours ON ours.id = pair.own_run
        WHERE \(kinds.map { "kind = '\($0)' AND (\($1))" }.joined(separator: " OR "))
        ORDER BY cell.identity, kind
        """)
    try database.execute(sql: "DROP TABLE temp.merged_pair")
    guard let first = found.first else { return }
    func text(_ row: Row, _ index: Int) throws -> String {
      try row.decode(String?.self, atIndex: index) ?? ""
    }
    let named = try found.prefix(mostNamed).map { row in
      let text = { (index: Int) in try text(row, index) }
      let task = try text(5) + (text(6).isEmpty ? "" : "/\(text(6))")
      return try
        "\(text(7)) of cell \(text(0).prefix(12)) (\(text(1)), \(text(2)) tokens, \(text(3)) \(text(4)), \(task); run \(text(8).prefix(8)) there, \(text(9).prefix(8)) in \"\(target)\")"
    }
    let rest = found.count - named.count
    throw StoreError(
      .conflict, file: source,
      "it differs from \"\(target)\", although build (\(try text(first, 11))) and BLAS (\(try text(first, 10))) are the same: "
        + named.joined(separator: "; ") + (rest > 0 ? "; and \(rest) more" : ""),
      advice:
        "One of them is wrong. Nothing of it was merged: measure these cells again with --fresh, or leave it out."
    )
  }

  private static let mostNamed = 5

  /// Cells and kinds that both files have from one build: the newest run of each.
  private static let pairs = """
    SELECT theirs.kind, theirs.cell_id AS other_cell, theirs.run_id AS other_run,
      ours.cell_id AS own_cell, ours.run_id AS own_run
    FROM (\(newest("source", "WHERE kind <> 'latency'"))) AS theirs
    JOIN temp.merged_cell ON merged_cell.source = theirs.cell_id
    JOIN (\(newest(
      "main", "WHERE kind <> 'latency' AND cell_id IN (SELECT target FROM temp.merged_cell)"))) AS ours
      ON ours.cell_id = merged_cell.target AND ours.kind = theirs.kind AND ours.build = theirs.build
    WHERE theirs.place = 1 AND ours.place = 1
    """

  private static func newest(_ schema: String, _ condition: String) -> String {
    """
    SELECT cell_id, kind, run_id, build, row_number() OVER (
        PARTITION BY cell_id, kind, build ORDER BY started_at DESC, identity DESC) AS place
    FROM (
      SELECT cell_id, kind, run_id, started_at, run.identity,
        json_array(blas, program_version, source_state, numerics_version, compiler, compiler_flags,
          dependencies) AS build
      FROM \(schema).cell_kind JOIN \(schema).run ON run.id = run_id \(condition))
    """
  }

  /// Of each kind when a pair differs.
  private static let kinds: [(ResultKind, String)] = [
    (
      .approximation,
      differs { schema, cell, run in
        """
        SELECT setting, phase, layer, query_head, relative_output_error, worst_query_error,
          last_query_error, output_cosine, dropped_mass, dropped_mass_p95, dropped_mass_maximum,
          bound_ratio, density, nominal_density, retained_fraction
        FROM \(schema).head_measurement WHERE cell_id = \(cell) AND run_id = \(run)
        """
      } + " OR " + measurementsDiffer { $0.kind == .approximation }
    ),
    (
      .quality,
      differs { schema, cell, run in
        """
        SELECT sample.number, unit.number, place, tokens, negative_log_likelihood, logit_kl,
          top_one_agreements, score, answer, expected
        FROM \(schema).sample JOIN \(schema).unit ON unit.sample_id = sample.id
        WHERE cell_id = \(cell) AND run_id = \(run)
        """
      } + " OR " + measurementsDiffer { $0.kind == .quality }
    ),
    (.memory, measurementsDiffer { $0.kind == .memory && $0.name.contains("LogicalBytes") }),
  ]

  private static func measurementsDiffer(_ isOne: (MetricDescriptor) -> Bool) -> String {
    let names = MetricCatalogue.all.filter(isOne).map { "'\($0.name)'" }.joined(separator: ", ")
    return differs { schema, cell, run in
      """
      SELECT name, statistic, setting, phase, value FROM \(schema).measurement
      WHERE cell_id = \(cell) AND run_id = \(run) AND name IN (\(names))
      """
    }
  }

  /// Whether either file has rows of the pair that the other lacks. Rows that one file has none of were left out of it
  /// on purpose, as single heads are by `scripts/results-database`: that is no difference.
  private static func differs(
    _ rows: (_ schema: String, _ cell: String, _ run: String) -> String
  ) -> String {
    let theirs = rows("source", "pair.other_cell", "pair.other_run")
    let ours = rows("main", "pair.own_cell", "pair.own_run")
    return
      "EXISTS (\(theirs)) AND EXISTS (\(ours)) AND (EXISTS (\(theirs) EXCEPT \(ours)) OR EXISTS (\(ours) EXCEPT \(theirs)))"
  }
}
