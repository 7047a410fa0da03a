import Foundation
import GRDB
import Records
import Testing

@testable import ResultStore

/// What users' files can look like, and what other programs can do to them meanwhile.
@Suite("Untrusted database")
struct DamagedDatabaseTests {
  let folder = TemporaryFolder()
  typealias Example = ExampleExperiment

  private func problem(_ body: () throws -> Void) -> StoreError.Problem? {
    do {
      try body()
      return nil
    } catch let error as StoreError {
      #expect(error.description.contains("\"\(error.file)\""))
      #expect(error.advice.hasSuffix("."))
      return error.problem
    } catch {
      Issue.record("not a StoreError: \(error)")
      return nil
    }
  }

  private func open(_ access: ResultStore.Access, patience: Double = 10) throws {
    _ = try ResultStore(path: folder.file(), access: access, patience: patience)
  }

  /// A database with the example's figures, filled once and copied.
  private static let filled: Data = {
    let folder = TemporaryFolder()
    do {
      do {
        let store = try ResultStore(path: folder.file(), access: .writing)
        let run = try store.beginRun(
          of: Example.record, cells: Example.cells, provenance: Example.provenance)
        for cell in Example.cells { try store.store(Example.results(cell), run: run) }
      }
      return try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    } catch {
      Issue.record(error)
      return Data()
    }
  }()

  private func fill(withTimes: Bool = false) throws {
    try Self.filled.write(to: URL(fileURLWithPath: folder.file()))
    guard withTimes else { return }
    let store = try ResultStore(path: folder.file(), access: .writing)
    try store.store(Example.timingGroup(context: 512, task: 0), run: 1)
    try store.close()
  }

  @Test("Reading a database that is not there says so and makes none")
  func missing() throws {
    #expect(problem { try open(.reading) } == .missing)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
  }

  @Test("Writing makes the file and its folders")
  func makesFolders() throws {
    let path = folder.file("a/b/results.sqlite")
    _ = try ResultStore(path: path, access: .writing)
    #expect(FileManager.default.fileExists(atPath: path))
  }

  @Test(
    "Other files are refused and left as they are", .timeLimit(.minutes(30)),
    arguments: ["text", "short", "folder", "pipe"])
  func notADatabase(kind: String) throws {
    let bytes = Data(String(repeating: "not a database\n", count: kind == "short" ? 1 : 500).utf8)
    switch kind {
    case "folder":
      try FileManager.default.createDirectory(
        atPath: folder.file(), withIntermediateDirectories: false)
    case "pipe": #expect(mkfifo(folder.file(), 0o600) == 0)
    default: try bytes.write(to: URL(fileURLWithPath: folder.file()))
    }
    #expect(problem { try open(.writing) } == .notADatabase)
    #expect(problem { try open(.reading) } == .notADatabase)
    if ["text", "short"].contains(kind) {
      #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == bytes)
    }
  }

  @Test(
    "What is no file beside a database is refused before SQLite waits for it",
    .timeLimit(.minutes(30)), arguments: ["-journal", "-wal", "-shm"], [true, false])
  func pipeBeside(end: String, isPipe: Bool) throws {
    do { _ = try open(.writing) }
    try? FileManager.default.removeItem(atPath: folder.file() + end)
    if isPipe {
      #expect(mkfifo(folder.file() + end, 0o600) == 0)
    } else {
      try FileManager.default.createDirectory(
        atPath: folder.file() + end, withIntermediateDirectories: false)
    }
    for access in [ResultStore.Access.writing, .reading] {
      #expect(problem { try open(access) } == .notADatabase)
    }
    try FileManager.default.removeItem(atPath: folder.file() + end)
    #expect(problem { try open(.reading) } == nil)
  }

  @Test("An empty file holds nothing to read and can be filled")
  func emptyFile() throws {
    try Data().write(to: URL(fileURLWithPath: folder.file()))
    #expect(problem { try open(.reading) } == .missing)
    #expect(problem { try open(.writing) } == nil)
    #expect(problem { try open(.reading) } == nil)
  }

  @Test("A file whose making was cut short before the first step is made anew")
  func unfinishedSchema() throws {
    do {
      let other = try DatabaseQueue(path: folder.file())
      try other.write {
        try $0.execute(
          sql: "CREATE TABLE grdb_migrations (identifier TEXT NOT NULL PRIMARY KEY)")
      }
    }
    #expect(problem { try open(.reading) } == .missing)
    #expect(problem { try open(.writing) } == nil)
    #expect(problem { try open(.reading) } == nil)
  }

  @Test(
    "Another program's database is refused and not changed by a byte, however it is spelt",
    arguments: ["", "/", "/.", "//"])
  func foreign(end: String) throws {
    do {
      let other = try DatabaseQueue(path: folder.file())
      try other.write { try $0.execute(sql: "CREATE TABLE note (text TEXT)") }
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    let expected: StoreError.Problem = end.isEmpty ? .foreign : .notADatabase
    for access in [ResultStore.Access.writing, .reading] {
      #expect(
        problem { _ = try ResultStore(path: folder.file() + end, access: access) } == expected)
      #expect(
        problem { _ = try ResultStore(path: "file:" + folder.file() + end, access: access) }
          == .notADatabase)
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
  }

  @Test(
    "A newer schema is refused; an older one is read as it is and brought up to date by writing")
  func schemaVersions() throws {
    try fill()
    let queue = try DatabaseQueue(path: folder.file())
    try queue.write {
      try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 from the future')")
    }
    #expect(problem { try open(.writing) } == .newerSchema)
    #expect(problem { try open(.reading) } == .newerSchema)
    try queue.write {
      try $0.execute(sql: "DELETE FROM grdb_migrations WHERE identifier LIKE '99%'")
    }
    var inspection = try DatabaseInspection(path: folder.file(), patience: 1)
    inspection.migrator.registerMigration("9 test") {
      try $0.execute(sql: "CREATE TABLE extra (id INTEGER) STRICT")
    }
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    let copy = try inspection.openForReading()
    #expect(try copy.read { try $0.tableExists("extra") })
    #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
    #expect(problem { _ = try inspection.openForWriting() } == nil)
    #expect(try DatabaseQueue(path: folder.file()).read { try $0.tableExists("extra") })
  }

  @Test("Views of another version are made anew, whichever has the file; people's own views stay")
  func views() throws {
    try fill()
    let queue = try DatabaseQueue(path: folder.file())
    try queue.write {
      try $0.execute(
        sql: """
          DROP VIEW comparison;
          CREATE VIEW comparison AS SELECT 1 AS other;
          CREATE VIEW mine AS SELECT count(*) AS cells FROM cell;
          """)
    }
    let reader = try ResultStore(path: folder.file(), access: .reading)
    #expect(try reader.results(of: "example").rows[3][.perplexity] == 17)
    let columns = {
      try DatabaseQueue(path: folder.file()).read { try $0.columns(in: "comparison").count }
    }
    #expect(try columns() == 1, "reading changes nothing")
    try open(.writing)
    #expect(try columns() > 50)
    #expect(try queue.read { try Int.fetchOne($0, sql: "SELECT cells FROM mine") } == 24)
  }

  @Test("A lock held by another program is waited for, then named; nothing is lost")
  func locked() throws {
    try fill()
    let store = try ResultStore(path: folder.file(), access: .writing, patience: 0.2)
    let other = try DatabaseQueue(path: folder.file())
    try other.writeWithoutTransaction { database in
      try database.execute(sql: "BEGIN EXCLUSIVE")
      #expect(
        problem {
          try store.storeFailure(
            of: Example.cells[0].cell.identity, kinds: [.latency], reason: "x", run: 1)
        }
          == .locked)
      // WAL: reading goes on meanwhile.
      #expect(problem { _ = try store.results(of: "example") } == nil)
      try database.execute(sql: "ROLLBACK")
    }
    #expect(
      problem {
        try store.storeFailure(
          of: Example.cells[0].cell.identity, kinds: [.latency], reason: "x", run: 1)
      }
        == nil)
    #expect(try store.results(of: "example").rows.count == 24)
  }

  @Test("Several programs that start on one new file at once all get their turn", arguments: 0..<4)
  func together(round: Int) async throws {
    let path = folder.file()
    try await withThrowingTaskGroup { group in
      for _ in 0..<6 {
        group.addTask {
          let store = try ResultStore(path: path, access: .writing)
          let run = try store.beginRun(
            of: Example.record, cells: Example.cells, provenance: Example.provenance)
          for cell in Example.cells.prefix(3) {
            try store.store(Example.results(cell), run: run)
          }
          try store.endRun(run, as: .finished)
          try store.close()
        }
      }
      try await group.waitForAll()
    }
    let runs = try ResultStore(path: path, access: .reading).storedRuns()
    #expect(runs.map(\.ending) == Array(repeating: .finished, count: 6))
  }

  @Test("A full disk stops a transaction and keeps what was stored before")
  func full() throws {
    try fill()
    let store = try ResultStore(path: folder.file(), access: .writing)
    try store.queue.writeWithoutTransaction {
      let pages = try Int.fetchOne($0, sql: "PRAGMA page_count") ?? 0
      try $0.execute(sql: "PRAGMA max_page_count = \(pages)")
    }
    var failed = false
    for index in 0..<50 where !failed {
      let reason = String(repeating: "reason \(index)", count: 1000)
      failed =
        problem {
          try store.storeFailure(
            of: Example.cells[0].cell.identity, kinds: [.latency], reason: reason, run: 1)
        } == .full
    }
    #expect(failed)
    let rows = try ResultStore(path: folder.file(), access: .reading).results(of: "example").rows
    #expect(rows.count == 24)
    #expect(rows[23][.score] != nil)
  }

  @Test("Overwritten pages are an error, never a crash", arguments: 0..<24)
  func damagedPages(seed: Int) throws {
    try fill()
    let size = 4096
    var bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    var generator = SeededGenerator(seed: seed, purpose: "damage")
    let pages = bytes.count / size
    for _ in 0..<(1 + seed % 6) {
      let page = 1 + generator.index(below: pages - 1)  // page 0 holds the header
      for offset in 0..<(seed % 2 == 0 ? size : 64) {
        bytes[page * size + offset] = UInt8(generator.index(below: 256))
      }
    }
    try bytes.write(to: URL(fileURLWithPath: folder.file()))
    let allowed: [StoreError.Problem?] = [nil, .damaged, .other, .unknownName, .foreign]
    #expect(
      allowed.contains(
        problem {
          let store = try ResultStore(path: folder.file(), access: .reading)
          _ = try store.results(of: "example")
        }))
    #expect(
      allowed.contains(
        problem {
          let store = try ResultStore(path: folder.file(), access: .writing)
          for cell in Example.cells {
            try store.storeFailure(
              of: cell.cell.identity, kinds: [.latency], reason: "again", run: 1)
          }
        }))
  }

  @Test("A file cut short is an error", arguments: [30, 99, 2000, 5000, 40_000])
  func truncated(length: Int) throws {
    try fill()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file())).prefix(length)
    try bytes.write(to: URL(fileURLWithPath: folder.file()))
    let found = problem {
      _ = try ResultStore(path: folder.file(), access: .reading).results(of: "example")
    }
    #expect([.damaged, .notADatabase].contains(found), "\(String(describing: found))")
  }

  @Test("Values that no version writes are reported with their column")
  func unreadableValues() throws {
    try fill()
    let queue = try DatabaseQueue(path: folder.file())
    try queue.write {
      try $0.execute(sql: "UPDATE cell SET strategy_parameters = '{oops' WHERE id = 2")
    }
    let store = try ResultStore(path: folder.file(), access: .reading)
    let error = #expect(throws: StoreError.self) { try store.results(of: "example") }
    #expect(error?.problem == .damaged)
    #expect(
      error?.detail == "the file is damaged (column strategy_parameters holds \"{oops\")")
  }

  @Test(
    "Whole numbers that no model and no text has are reported with their row: reports take them for sizes and sums",
    arguments: [
      ("head_measurement", "layer", "9223372036854775807", "layer 9223372036854775807"),
      ("head_measurement", "layer", "-1", "layer -1"),
      ("head_measurement", "query_head", "4000000000", "query_head 4000000000"),
      ("sample", "number", "-1", "sample -1"), ("unit", "number", "-1", "number -1"),
      ("unit", "tokens", "9223372036854775807", "tokens 9223372036854775807"),
      ("unit", "tokens", "0", "tokens 0"),
      ("unit", "top_one_agreements", "65", "top_one_agreements 65"),
    ])
  func absurdNumbers(table: String, column: String, value: String, words: String) throws {
    try fill()
    // Where rows would become alike only the first is changed.
    try DatabaseQueue(path: folder.file()).write {
      try $0.execute(sql: "UPDATE OR IGNORE \(table) SET \(column) = \(value)")
    }
    let store = try ResultStore(path: folder.file(), access: .reading)
    let error = #expect(throws: StoreError.self) { try store.results(of: "example") }
    #expect(error?.problem == .damaged)
    let detail = error?.detail ?? ""
    #expect(detail.contains("holds \"cell ") && detail.contains(words), "\(detail)")
  }

  /// What SQLite itself would refuse in a strict table: it takes a damaged schema to store it.
  @Test(
    "A value of another kind in any column is read or an error, never a crash",
    arguments: ["'text'", "1e19", "-1.5", "x'ff00'", "NULL"])
  func valuesOfAnotherKind(value: String) throws {
    try fill(withTimes: true)
    var lax = Configuration()
    lax.foreignKeysEnabled = false
    let queue = try DatabaseQueue(path: folder.file(), configuration: lax)
    try queue.writeWithoutTransaction {
      try $0.execute(
        sql: """
          PRAGMA writable_schema = on; PRAGMA ignore_check_constraints = on;
          UPDATE sqlite_master SET sql = replace(replace(sql, 'STRICT', ''), 'NOT NULL', '')
          WHERE type = 'table' AND sql LIKE '%STRICT%'
          """)
    }
    try queue.close()
    let bytes = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    let columns = try DatabaseQueue(path: folder.file()).read { database in
      try String.fetchAll(database, sql: "SELECT name FROM sqlite_master WHERE type = 'table'")
        .flatMap { table in try database.columns(in: table).map { (table, $0.name) } }
    }
    #expect(columns.count > 100)
    var changed = 0
    for (table, column) in columns where !table.hasPrefix("grdb") && !table.hasPrefix("sqlite") {
      try bytes.write(to: URL(fileURLWithPath: folder.file()))
      let isChanged = try DatabaseQueue(path: folder.file(), configuration: lax).write { database in
        try database.execute(sql: "PRAGMA ignore_check_constraints = on")
        do {
          try database.execute(sql: "UPDATE \(table) SET \(column) = \(value) WHERE rowid < 3")
        } catch is DatabaseError {
          return false  // a key that has to be an integer, or unique
        }
        return database.changesCount > 0
      }
      guard isChanged else { continue }
      changed += 1
      let found = problem {
        let store = try ResultStore(path: folder.file(), access: .reading)
        _ = try store.storedRuns()
        _ = try store.results(of: "example")
      }
      let allowed: [StoreError.Problem?] = [nil, .damaged, .other, .unknownName, .foreign]
      #expect(allowed.contains(found), "\(table).\(column): \(String(describing: found))")
    }
    #expect(changed > 50)
  }

  @Test("A file that is deleted or replaced under a run is noticed before anything is lost in it")
  func replaced() throws {
    try fill()
    let store = try ResultStore(path: folder.file(), access: .writing)
    try FileManager.default.removeItem(atPath: folder.file())
    #expect(problem { try store.endRun(1, as: .finished) } == .replaced)
    try Data().write(to: URL(fileURLWithPath: folder.file()))
    #expect(problem { try store.endRun(1, as: .finished) } == .replaced)
  }
}
