import GRDB
import Records

extension ResultStore {
  /// The names of all experiments, in the order of their first run.
  public func experimentNames() throws(StoreError) -> [String] {
    try read { database in
      try Row.fetchAll(database, sql: "SELECT name FROM experiment ORDER BY id")
        .map { try $0.value("name") }
    }
  }

  /// Every run, oldest first.
  public func storedRuns() throws(StoreError) -> [StoredRun] {
    try read(StoredRun.all)
  }

  /// An experiment with the newest figures of each of its cells.
  ///
  /// - Throws: ``StoreError`` with `unknownName`, naming the stored experiments, where there is none of this name.
  public func results(of name: String) throws(StoreError) -> ExperimentResults {
    try read { database in
      guard
        let row = try Row.fetchOne(
          database, sql: "SELECT * FROM experiment WHERE name = ?", arguments: [name])
      else {
        let names = try Row.fetchAll(database, sql: "SELECT name FROM experiment ORDER BY name")
          .map { "\"\(try $0.value("name", as: String.self))\"" }
        throw StoreError(
          .unknownName, file: path, "it holds no experiment \"\(name)\"",
          advice: names.isEmpty
            ? "It holds none at all: run one first." : "It holds \(names.joined(separator: ", ")).")
      }
      return try ExperimentReader(
        database: database, experiment: row.value("id"), run: nil
      ).results()
    }
  }

  /// What one run measured itself, for its experiment's present plan; figures of earlier runs are left out.
  public func results(ofRun run: Int64) throws(StoreError) -> ExperimentResults {
    try read { database in
      guard
        let row = try Row.fetchOne(
          database, sql: "SELECT experiment_id FROM run WHERE id = ?", arguments: [run])
      else {
        let newest = try Int64.fetchOne(database, sql: "SELECT max(id) FROM run")
        throw StoreError(
          .unknownName, file: path, "it holds no run \(run)",
          advice: newest.map { "Runs are numbered up to \($0)." }
            ?? "It holds none at all: run an experiment first.")
      }
      return try ExperimentReader(
        database: database, experiment: row.value("experiment_id"), run: run
      ).results()
    }
  }
}
