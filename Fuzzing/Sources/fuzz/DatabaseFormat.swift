import Foundation
import GRDB
import JSON
import Records
import ResultStore

/// A database that was damaged after it was filled. The input is the list of damages, a JSON object
/// each: bytes of a page, a value of a row, a table or view that is another.
///
/// Two databases are damaged: one of an older version, which writing brings up to date, and the same
/// brought up to date before.
enum DatabaseFormat: FuzzedFormat {
  static func fresh(_ generator: inout SeededGenerator) -> [UInt8] {
    let damages = (0...generator.index(below: 3)).map { _ in damage(&generator) }
    let value: JSONValue = [
      "isOld": .boolean(generator.chance(1, in: 4)), "damages": .array(damages),
    ]
    return Array(value.canonicalText.utf8)
  }

  static func changed(_ bytes: [UInt8], _ generator: inout SeededGenerator) -> [UInt8]? {
    guard let value = try? JSONValue(parsing: bytes), var damages = value["damages"]?.arrayValue,
      !damages.isEmpty
    else { return nil }
    let place = generator.index(below: damages.count)
    switch generator.index(below: 4) {
    case 0: damages.remove(at: place)
    case 1: damages[place] = damage(&generator)
    default: damages.append(damage(&generator))
    }
    let changed: JSONValue = [
      "isOld": value["isOld"] ?? false, "damages": .array(damages.suffix(6)),
    ]
    return Array(changed.canonicalText.utf8)
  }

  static func read(_ bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes), let damages = value["damages"]?.arrayValue
    else { return }
    let path = folder + "/fuzzed.sqlite"
    for end in ["", "-wal", "-shm", "-journal"] { unlink(path + end) }
    do {
      try (value["isOld"] == true ? old : new).write(to: URL(fileURLWithPath: path))
    } catch {
      fatalError("\(error)")
    }
    // What SQLite itself refuses is no damage.
    for damage in damages { try? apply(damage, to: path) }
    expectingStoreErrors { try use(ResultStore(path: path, access: .reading, patience: 0.1)) }
    expectingStoreErrors {
      let store = try ResultStore(path: path, access: .writing, patience: 0.1)
      expectingStoreErrors { _ = try store.storedKinds(of: identities) }
      expectingStoreErrors {
        try store.storeFailure(of: identities[0], kinds: [.latency], reason: "x", run: 1)
      }
      expectingStoreErrors { try store.endRun(1, as: .finished) }
      try store.close()
    }
  }

  private static func use(_ store: ResultStore) throws {
    expectingStoreErrors { _ = try store.runsInProgress() }
    expectingStoreErrors { _ = try store.experimentNames(having: ["full"]) }
    expectingStoreErrors {
      for run in try store.storedRuns().prefix(1) {
        expectingStoreErrors { _ = try store.results(ofRun: run.id) }
      }
    }
    for name in try store.experimentNames().prefix(1) {
      expectingStoreErrors { _ = try store.results(of: name) }
    }
  }

  private static func expectingStoreErrors(_ body: () throws -> Void) {
    do {
      try body()
    } catch let error as StoreError {
      precondition(!error.description.isEmpty)
    } catch {
      fatalError("not a StoreError: \(error)")
    }
  }

  // MARK: Damages

  private static func damage(_ generator: inout SeededGenerator) -> JSONValue {
    switch generator.index(below: 8) {
    case 0:
      [
        "at": .integer(generator.index(below: new.count)),
        "bytes": .array(
          (0...generator.index(below: 64)).map { _ in .integer(generator.index(below: 256)) }),
      ]
    case 1: ["length": .integer(generator.index(below: new.count))]
    case 2:
      [
        "schema": .string(generator.element(of: things)),
        "text": .string(
          generator.element(of: [
            "CREATE VIEW comparison AS SELECT 1 AS model", "CREATE TABLE cell (id INTEGER)", "",
            "CREATE VIEW unit AS SELECT * FROM unit", generator.text(),
          ])),
      ]
    case 3: ["drop": .string(generator.element(of: things))]
    default: value(of: generator.element(of: columns), &generator)
    }
  }

  private static func value(
    of place: (table: String, column: String), _ generator: inout SeededGenerator
  ) -> JSONValue {
    [
      "table": .string(place.table), "column": .string(place.column),
      "row": .integer(generator.index(below: 30)), "value": value(&generator),
    ]
  }

  private static func value(_ generator: inout SeededGenerator) -> JSONValue {
    switch generator.index(below: 5) {
    case 0: .integer(generator.number())
    case 1: .number(generator.element(of: [0.5, -1, 1e308, 5e-324, 1e19]))
    case 2: .null
    case 3:
      .string(
        generator.element(of: [
          "{", "[]", "{}", "[[[[", "{\"budget\": {\"fraction\": 1e400}}", "full", "quality",
          "9999-99-99", "2026-01-01T00:00:00.000Z", "full:0", "1:2:3", "-1",
        ]))
    default: .string(generator.text())
    }
  }

  private static func apply(_ damage: JSONValue, to path: String) throws {
    if let offset = damage["at"]?.integerValue {
      try overwrite(path) { data in
        for (index, byte) in (damage["bytes"]?.arrayValue ?? []).enumerated()
        where data.indices.contains(offset &+ index) {
          data[offset + index] = UInt8(truncatingIfNeeded: byte.integerValue ?? 0)
        }
      }
    } else if let length = damage["length"]?.integerValue {
      try overwrite(path) { $0 = $0.prefix(max(0, length)) }
    } else {
      let queue = try DatabaseQueue(path: path)
      try queue.writeWithoutTransaction { try apply(damage, in: $0) }
      try queue.close()
    }
  }

  private static func apply(_ damage: JSONValue, in database: Database) throws {
    try database.execute(
      sql:
        "PRAGMA foreign_keys = off; PRAGMA ignore_check_constraints = on; PRAGMA writable_schema = on"
    )
    if let name = damage["schema"]?.stringValue {
      try database.execute(
        sql: "UPDATE sqlite_master SET sql = ? WHERE name = ?",
        arguments: [damage["text"]?.stringValue, name])
    } else if let name = damage["drop"]?.stringValue {
      try database.execute(sql: "DELETE FROM sqlite_master WHERE name = ?", arguments: [name])
    } else if let table = damage["table"]?.stringValue,
      let column = damage["column"]?.stringValue
    {
      let names = [table, column].map { "\"\($0.replacing("\"", with: "\"\""))\"" }
      // Tables are strict; nothing holds another program to that.
      try database.execute(
        sql: "UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = ?",
        arguments: [table])
      try? database.execute(
        sql: "UPDATE \(names[0]) SET \(names[1]) = ? WHERE rowid = ?",
        arguments: [bound(damage["value"]), damage["row"]?.integerValue])
    }
  }

  private static func bound(_ value: JSONValue?) -> DatabaseValue {
    switch value {
    case .integer(let value): value.databaseValue
    case .number(let value): value.databaseValue
    case .string(let value): value.databaseValue
    default: .null
    }
  }

  private static func overwrite(_ path: String, _ change: (inout Data) -> Void) throws {
    let file = URL(fileURLWithPath: path)
    var data = try Data(contentsOf: file)
    change(&data)
    try data.write(to: file)
  }

  // MARK: What is damaged

  private static let old: Data = {
    do {
      return try Data(
        contentsOf: URL(fileURLWithPath: #filePath).appendingPathComponent(
          "../../../../Tests/Golden/databases/623a3e6.sqlite"
        ).standardizedFileURL)
    } catch {
      fatalError("\(error)")
    }
  }()

  private static let new: Data = {
    do {
      let file = URL(fileURLWithPath: folder + "/new.sqlite")
      try old.write(to: file)
      try ResultStore(path: file.path, access: .writing).close()
      return try Data(contentsOf: file)
    } catch {
      fatalError("\(error)")
    }
  }()

  private static let (things, columns, identities):
    ([String], [(table: String, column: String)], [String]) = {
      do {
        let file = URL(fileURLWithPath: folder + "/new.sqlite")
        try new.write(to: file)
        return try DatabaseQueue(path: file.path).read { database in
          let things = try String.fetchAll(database, sql: "SELECT name FROM sqlite_master")
          let tables = try String.fetchAll(
            database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
          let columns = try tables.flatMap { table in
            try database.columns(in: table).map { (table, $0.name) }
          }
          return (things, columns, try String.fetchAll(database, sql: "SELECT identity FROM cell"))
        }
      } catch {
        fatalError("\(error)")
      }
    }()

  private static let folder = MemoryFolder.path
}
