import GRDB
import JSON
import Records

extension ResultStore {
  /// The names of all experiments that have cells, in the order of their first run. A database that was cut out of another
  /// one also holds the names under which its cells were once run.
  public func experimentNames() throws(StoreError) -> [String] {
    try read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT name FROM experiment
          WHERE EXISTS (SELECT 1 FROM experiment_cell WHERE experiment_id = experiment.id)
          ORDER BY (SELECT min(started_at) FROM run WHERE experiment_id = experiment.id), name
          """)
    }
  }

  /// The experiments whose newest plan has each of these strategies, by label or by name; the oldest first.
  public func experimentNames(having strategies: [String]) throws(StoreError) -> [String] {
    try read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT name FROM experiment
          WHERE NOT EXISTS (
            SELECT 1 FROM json_each(?) AS asked
            WHERE NOT EXISTS (
              SELECT 1 FROM experiment_cell JOIN cell ON cell.id = cell_id
              WHERE experiment_id = experiment.id AND asked.value IN (label, strategy)))
          ORDER BY (SELECT min(started_at) FROM run WHERE experiment_id = experiment.id), name
          """, arguments: [JSONValue.array(strategies.map(JSONValue.string))])
    }
  }

  /// What the strategies of an experiment's newest plan, or of every one, are called: their labels in the order of the
  /// plan, then the names that several labels have in common.
  public func strategyNames(in experiment: String? = nil) throws(StoreError) -> [String] {
    try read { database in
      let rows = try Row.fetchAll(
        database,
        sql: """
          SELECT label, strategy
          FROM experiment_cell JOIN cell ON cell.id = cell_id
          JOIN experiment ON experiment.id = experiment_id
          WHERE ?1 IS NULL OR experiment.name = ?1
          GROUP BY label, strategy ORDER BY min(experiment_id), min(position)
          """, arguments: [experiment])
      var known: Set<String> = []
      return (rows.map { $0["label"] } + rows.map { $0["strategy"] }).filter {
        known.insert($0).inserted
      }
    }
  }

  /// Every run, oldest first.
  public func storedRuns() throws(StoreError) -> [StoredRun] {
    try read { try StoredRun.all(in: $0) }
  }

  /// Runs that processes of this machine are at, in whatever container, with these processes.
  public func runsInProgress() throws(StoreError) -> [(run: StoredRun, process: HoldingProcess)] {
    try read { database in
      let open = try Row.fetchAll(
        database,
        sql: """
          SELECT id, identity, process FROM run WHERE ended_at IS NULL AND process IS NOT NULL
          """)
      return try open.compactMap { row in
        guard let process = process(at: try row.value("identity"), try row.value("process")),
          let run = try StoredRun.all(
            in: database, where: "run.id = ?", arguments: [row.value("id", as: Int64.self)]
          ).first
        else { return nil }
        return (run, process)
      }
    }
  }

  /// An experiment with the newest figures of each of its cells.
  ///
  /// - Throws: ``StoreError`` with `unknownName`, naming the stored experiments, where there is none of this name.
  public func results(of name: String) throws(StoreError) -> ExperimentResults {
    try read { database in
      guard
        let run = try StoredRun.all(
          in: database, where: "experiment.name = ? AND run.plan_id IS NOT NULL", arguments: [name]
        ).last
      else {
        let names = try String.fetchAll(
          database,
          sql: """
            SELECT DISTINCT experiment.name FROM run JOIN experiment ON experiment.id = experiment_id
            WHERE plan_id IS NOT NULL ORDER BY 1
            """)
        let near = NearestWord.to(name, among: names).map { " Did you mean \"\($0)\"?" } ?? ""
        let shown = names.prefix(20).map { "\"\($0)\"" }.joined(separator: ", ")
        let rest = names.count - 20
        let list = rest > 0 ? "\(shown) and \(rest) more" : shown
        throw StoreError(
          .unknownName, file: path, "it holds no experiment \"\(name)\"",
          advice: names.isEmpty
            ? "It holds none at all: run one first." : "It holds \(list).\(near)")
      }
      return try ExperimentReader(database: database, run: run, isRunAlone: false).results()
    }
  }

  /// What one run measured itself, in the plan that it had; figures of other runs are left out.
  public func results(ofRun run: Int64) throws(StoreError) -> ExperimentResults {
    try read { database in
      guard
        let stored = try StoredRun.all(in: database, where: "run.id = ?", arguments: [run]).first
      else {
        let last = try Int64.fetchOne(database, sql: "SELECT max(id) FROM run")
        throw StoreError(
          .unknownName, file: path, "it holds no run \(run)",
          advice: last.map { "Runs are numbered up to \($0)." }
            ?? "It holds none at all: run an experiment first.")
      }
      return try ExperimentReader(database: database, run: stored, isRunAlone: true).results()
    }
  }
}
