import Foundation
import GRDB

/// Finds out what a file is before anything is changed in it, and opens it accordingly.
struct DatabaseInspection {
  var path: String
  var patience: Double
  var migrator = ResultSchema.migrator

  private enum Contents {
    case nothing, current, older
  }

  /// Never makes or changes the database.
  func openForReading() throws(StoreError) -> DatabaseQueue {
    guard FileManager.default.fileExists(atPath: path) else {
      throw StoreError(
        .missing, file: path, "there is no such file",
        advice: "Run an experiment first, or name another file with --db.")
    }
    try refuseFolder()
    return try translating {
      let (queue, contents) = try patiently(openAndInspect)
      switch contents {
      case .current:
        return queue
      case .nothing:
        throw StoreError(
          .missing, file: path, "the file is empty",
          advice: "Run an experiment first, or name another file with --db.")
      case .older:
        throw StoreError(
          .olderSchema, file: path, "it was written by an older version of this program",
          advice: "Bring it up to date by running any experiment with --db \"\(path)\".")
      }
    }
  }

  private func openAndInspect() throws -> (DatabaseQueue, Contents) {
    let queue = try readOnlyQueue()
    return (queue, try contents(of: queue))
  }

  /// Makes the file and its folder where they are missing; brings an older schema up to date.
  func openForWriting() throws(StoreError) -> DatabaseQueue {
    try refuseFolder()
    try makeFolder()
    return try translating { try patiently(openOrMake) }
  }

  private func openOrMake() throws -> DatabaseQueue {
    if let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int,
      size > 0
    {
      _ = try contents(of: readOnlyQueue())  // before the journal mode changes the file
    }
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    configuration.journalMode = .wal
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    // A cell is minutes of work and a transaction a few milliseconds: survive a power cut as well.
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    do {
      try migrator.migrate(queue)
    } catch {
      // Another process may have made the same step at the same moment.
      guard try queue.read(migrator.hasCompletedMigrations) else { throw error }
    }
    return queue
  }

  /// Again and again while another process is in the way: changing the journal mode and recovering a file are refused
  /// at once, whatever the busy timeout.
  private func patiently<Value>(_ body: () throws -> Value) throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + .seconds(patience)
    while true {
      do {
        return try body()
      } catch let error as DatabaseError
        where [.SQLITE_BUSY, .SQLITE_LOCKED].contains(error.resultCode) && clock.now < deadline
      {
        Thread.sleep(forTimeInterval: 0.02)
      }
    }
  }

  private func readOnlyQueue() throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    configuration.readonly = true
    func open() throws -> DatabaseQueue {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      _ = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") }
      return queue
    }
    do {
      do {
        return try open()
      } catch let error as DatabaseError
        where error.extendedResultCode == .SQLITE_READONLY_ROLLBACK
      {
        try rollBack()
        return try open()
      }
    } catch let error as DatabaseError
      where [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode) && isSettled
    {
      // A folder that cannot be written: no other program can be changing the file there.
      let allowed = CharacterSet.urlPathAllowed.subtracting(["?", "#", "%"])
      let escaped = path.addingPercentEncoding(withAllowedCharacters: allowed) ?? path
      return try DatabaseQueue(path: "file:\(escaped)?immutable=1", configuration: configuration)
    }
  }

  /// Ends what a process that was killed left half done: the step in which a new file gets its journal mode.
  private func rollBack() throws {
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    let queue = try DatabaseQueue(path: path, configuration: configuration)
    _ = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") }
    try queue.close()
  }

  /// True where everything is in the file itself and nobody can write beside it.
  private var isSettled: Bool {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    return FileManager.default.isReadableFile(atPath: path)
      && !FileManager.default.isWritableFile(atPath: folder)
      && !FileManager.default.fileExists(atPath: path + "-wal")
  }

  private func contents(of queue: DatabaseQueue) throws -> Contents {
    try queue.read { database in
      // A process that is making the schema at this moment, or was killed there, has left no more than GRDB's own table.
      let isEmpty =
        try Int.fetchOne(
          database,
          sql: "SELECT count(*) FROM sqlite_master WHERE tbl_name NOT LIKE 'grdb~_%' ESCAPE '~'"
        ) ?? 0 == 0
      let mark = try Int.fetchOne(database, sql: "PRAGMA application_id") ?? 0
      if isEmpty && mark == 0 { return .nothing }
      guard mark == ResultSchema.applicationID else {
        throw StoreError(
          .foreign, file: path, "it is an SQLite database of another program",
          advice: "Name another file with --db.")
      }
      if try migrator.hasBeenSuperseded(database) {
        throw StoreError(
          .newerSchema, file: path, "it was written by a newer version of this program",
          advice: "Update tca-lab, or name another file with --db.")
      }
      return try migrator.hasCompletedMigrations(database) ? .current : .older
    }
  }

  private func refuseFolder() throws(StoreError) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw StoreError(
        .notADatabase, file: path, "it is a folder", advice: "Name a file in it with --db.")
    }
  }

  private func makeFolder() throws(StoreError) {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    } catch {
      throw StoreError(
        .unreachable, file: path, "its folder \"\(folder.path)\" cannot be made",
        advice: "Check the path and its permissions, or name another file with --db.")
    }
  }

  private func translating<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
    do {
      return try body()
    } catch {
      throw StoreError.translating(error, file: path, waited: patience)
    }
  }
}
