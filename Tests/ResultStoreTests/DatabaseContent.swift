import Foundation
import GRDB

/// All that a database holds, whatever numbers its rows have: every row as one line, references in words.
func content(of path: String) throws -> [String] {
  var configuration = Configuration()
  configuration.readonly = true
  let queue = try DatabaseQueue(path: path, configuration: configuration)
  return try queue.read { database in
    let tables = try String.fetchAll(
      database,
      sql: """
        SELECT name FROM sqlite_master
        WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'grdb%'
        """)
    var words: [String: [DatabaseValue: String]] = [:]
    var lines: [String] = []
    // Until each table stands behind those that it refers to.
    var waiting = tables
    while !waiting.isEmpty {
      let ready = try waiting.filter { table in
        try references(of: table, database).values.allSatisfy { words[$0] != nil }
      }
      for table in ready {
        let references = try references(of: table, database)
        let hasNumber = try database.columns(in: table).contains { $0.name == "id" }
        let rows = try Row.fetchAll(
          database, sql: "SELECT * FROM \(table)" + (hasNumber ? " ORDER BY id" : ""))
        var own: [DatabaseValue: String] = [:]
        var places: [String: Int] = [:]
        for row in rows {
          let fields = row.map { column, value in
            guard column != "id" else { return "" }
            return "\(column)=" + (references[column].flatMap { words[$0]?[value] } ?? "\(value)")
          }
          // The order of what a run says of one cell, or at one moment, counts.
          let run = references["run_id"].flatMap { words[$0]?[row["run_id"]] } ?? ""
          let isOrdered = hasNumber && !run.isEmpty && table != "sample"
          let series =
            run
            + (row["stored_at"] ?? references["cell_id"].flatMap { words[$0]?[row["cell_id"]] }
              ?? "")
          if isOrdered { places[series, default: 0] += 1 }
          let line =
            "\(table) " + (isOrdered ? "\(places[series] ?? 0) " : "")
            + fields.joined(separator: "|")
          if hasNumber {
            own[row["id"]] =
              row["identity"] ?? row["name"]
              ?? (isOrdered ? "\(series)#\(places[series] ?? 0)" : line)
          }
          lines.append(line)
        }
        words[table] = own
      }
      waiting.removeAll(where: ready.contains)
    }
    return lines.sorted()
  }
}

private func references(of table: String, _ database: Database) throws -> [String: String] {
  try Dictionary(
    Row.fetchAll(database, sql: "PRAGMA foreign_key_list(\(table))").map {
      ($0["from"] as String, $0["table"] as String)
    }, uniquingKeysWith: { first, _ in first })
}
