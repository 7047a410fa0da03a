import GRDB
import JSON
import Records

extension ResultStore {
  public func claim(_ identities: [String], run: Int64) throws -> ClaimHolder? {
    try write { database in
      try database.execute(sql: "DELETE FROM claim WHERE run_id = ?", arguments: [run])
      let asked = JSONValue.array(identities.map(JSONValue.string))
      let others = try Row.fetchAll(
        database,
        sql: """
          SELECT DISTINCT run.id, run.identity, run.process, experiment.name
          FROM json_each(?) AS asked
          JOIN cell ON cell.identity = asked.value
          JOIN claim ON claim.cell_id = cell.id
          JOIN run ON run.id = claim.run_id
          JOIN experiment ON experiment.id = run.experiment_id
          WHERE run.ended_at IS NULL AND run.process IS NOT NULL
          """, arguments: [asked])
      for other in others {
        if let process = process(at: try other.value("identity"), try other.value("process")) {
          return ClaimHolder(
            experiment: try other.value("name"), run: try other.value("id"), process: process)
        }
      }
      try database.execute(
        sql: """
          INSERT OR REPLACE INTO claim (cell_id, run_id)
          SELECT cell.id, ? FROM json_each(?) AS asked JOIN cell ON cell.identity = asked.value
          """, arguments: [run, asked])
      return nil
    }
  }
}
