import GRDB

/// The part of a database that a reader looks at: the newest figures of one experiment, or those of one run alone.
///
/// The views are the same for both and for the whole file: a query in a scope puts their definitions in front of
/// itself, over an `experiment_cell`, and a `run`, that hold no more than what is asked for.
struct Scope {
  /// The run whose plan says which cells there are.
  var run: Int64
  /// Whether figures of other runs are left out, and the cells that this run neither measured nor failed at.
  var isRunAlone: Bool

  func rows(_ query: String, in database: Database) throws -> [Row] {
    try Row.fetchAll(database.cachedStatement(sql: narrowed(query)), arguments: ["run": run])
  }

  /// The query with the views in front of it; its parameter `run` is the run's row.
  func narrowed(_ query: String) -> String { "WITH \(definitions)\n\(query)" }

  private var definitions: String {
    var definitions = [
      View(
        name: "experiment_cell",
        query: """
          SELECT asked.experiment_id, position, cell_id, model, label, task_label, full_cell_id,
            matched_cell_id
          FROM main.run AS asked JOIN plan_cell ON plan_cell.plan_id = asked.plan_id
          WHERE asked.id = :run
          """ + (isRunAlone ? Self.isTouched : ""))
    ]
    if isRunAlone {
      definitions.append(View(name: "run", query: "SELECT * FROM main.run WHERE id = :run"))
    }
    definitions += ResultViews.all.filter { $0.name != "experiment_cell" }
    return definitions.map { view in
      // The plan is looked up once; everything else by way of the plan's cells.
      let hint = view.name == "experiment_cell" ? "MATERIALIZED" : "NOT MATERIALIZED"
      return "\(view.name) AS \(hint) (\(view.query))"
    }.joined(separator: ",\n")
  }

  private static let isTouched = """
     AND (EXISTS (
        SELECT 1 FROM cell_kind WHERE cell_id = plan_cell.cell_id AND run_id = asked.id)
      OR EXISTS (SELECT 1 FROM failure WHERE cell_id = plan_cell.cell_id AND run_id = asked.id))
    """
}
