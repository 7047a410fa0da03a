import Foundation
import GRDB
import Records

/// Finds out what a file is before anything is changed in it, and opens it accordingly.
struct DatabaseInspection {
  /// As it was named, for messages.
  var path: String
  var patience: Double
  var migrator = ResultSchema.migrator

  /// What it means, from the root on, so that SQLite takes it for nothing else.
  let file: String

  init(path: String, patience: Double) throws(StoreError) {
    self.path = path
    self.patience = patience
    do {
      // SQLite keeps its log beside what a symbolic link leads to.
      file = WrittenPath.target(
        of: try WrittenPath.file(path, in: FileManager.default.currentDirectoryPath))
    } catch {
      throw StoreError(
        .notADatabase, file: path, "the path \(error.problem)",
        advice: "Name a database file with --db.")
    }
  }

  private enum Contents {
    case nothing, current
    /// Its tables or its views are not those of this program.
    case older
  }

  /// Never makes or changes the database: an older one is brought up to date in a copy.
  ///
  /// - Parameter copy: the copy's file; a temporary one of SQLite's own where it is empty.
  func openForReading(copyingTo copy: String = "") throws(StoreError) -> DatabaseQueue {
    do {
      _ = try FileManager.default.attributesOfItem(atPath: file)
    } catch {
      guard FileProblem.code(of: error) == ENOENT else {
        throw StoreError(
          .unreachable, file: path, "it cannot be looked up: \(FileProblem.text(of: error))",
          advice: "Check the path and its permissions, or name another file with --db.")
      }
      throw StoreError(
        .missing, file: path, "there is no such file",
        advice: "Run an experiment first, or name another file with --db.")
    }
    try refuseWhatIsNoFile()
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
        let copy = try DatabaseQueue(path: copy)
        try queue.backup(to: copy)
        try migrate(copy)
        return copy
      }
    }
  }

  private func openAndInspect() throws -> (DatabaseQueue, Contents) {
    let queue = try readOnlyQueue()
    return (queue, try contents(of: queue))
  }

  /// Makes the file and its folder where they are missing; brings an older schema up to date.
  func openForWriting() throws(StoreError) -> DatabaseQueue {
    try refuseWhatIsNoFile()
    try makeFolder()
    return try translating { try patiently(openOrMake) }
  }

  private func openOrMake() throws -> DatabaseQueue {
    if let size = size(of: file), size > 0 {
      _ = try contents(of: readOnlyQueue())  // before the journal mode changes the file
    }
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    configuration.journalMode = .wal
    let queue = try DatabaseQueue(path: file, configuration: configuration)
    // A cell is minutes of work and a transaction a few milliseconds: survive a power cut as well.
    try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
    var steps = try queue.read(migrator.appliedIdentifiers)
    while true {
      do {
        try migrate(queue)
        return queue
      } catch {
        // Another process may have made the same step at the same moment; the next ones are for either of them.
        if try queue.read(isCurrent) { return queue }
        let made = try queue.read(migrator.appliedIdentifiers)
        guard made != steps else { throw error }
        steps = made
      }
    }
  }

  private func migrate(_ queue: DatabaseQueue) throws {
    try migrator.migrate(queue)
    try queue.write(ResultViews.renew)
  }

  private func isCurrent(_ database: Database) throws -> Bool {
    try migrator.hasCompletedMigrations(database) && ResultViews.areCurrent(in: database)
  }

  /// Again and again while another process is in the way: changing the journal mode and recovering a file are
  /// refused at once, whatever the busy timeout.
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
      let queue = try DatabaseQueue(path: file, configuration: configuration)
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
      return try DatabaseQueue(
        path: Self.address(of: file, "immutable=1"), configuration: configuration)
    }
  }

  /// A file as SQLite takes it together with a parameter.
  static func address(of file: String, _ parameter: String) -> String {
    let allowed = CharacterSet.urlPathAllowed.subtracting(["?", "#", "%"])
    let escaped = file.addingPercentEncoding(withAllowedCharacters: allowed) ?? file
    return "file:\(escaped)?\(parameter)"
  }

  /// Ends what a process that was killed left half done: the step in which a new file gets its journal mode.
  private func rollBack() throws {
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    let queue = try DatabaseQueue(path: file, configuration: configuration)
    _ = try queue.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM sqlite_master") }
    try queue.close()
  }

  /// True where everything is in the file itself, the WAL beside it empty if there is one, and nobody can write there.
  private var isSettled: Bool {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
    return FileManager.default.isReadableFile(atPath: file)
      && !FileManager.default.isWritableFile(atPath: folder)
      && (size(of: file + "-wal") ?? 0) == 0
  }

  private func size(of file: String) -> Int? {
    try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
  }

  private func contents(of queue: DatabaseQueue) throws -> Contents {
    try queue.read { database in
      // A process that is making the schema at this moment, or was killed there, has left no more than GRDB's
      // own table.
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
      return try isCurrent(database) ? .current : .older
    }
  }

  /// SQLite would wait for a pipe until some program opens its other end, beside the database too.
  private func refuseWhatIsNoFile() throws(StoreError) {
    for end in ["", "-journal", "-wal", "-shm"] {
      let attributes = try? FileManager.default.attributesOfItem(atPath: file + end)
      guard let type = attributes?[.type] as? FileAttributeType else { continue }
      // A link that is left leads in a circle; SQLite says so.
      if [.typeRegular, .typeSymbolicLink].contains(type) { continue }
      let isFolder = type == .typeDirectory
      let kind = isFolder ? "a folder" : "a pipe, a socket or a device"
      guard end.isEmpty else {
        throw StoreError(
          .notADatabase, file: path,
          "\"\(file + end)\", which SQLite would read beside it, is \(kind)",
          advice: "Remove it, or name another file with --db.")
      }
      throw StoreError(
        .notADatabase, file: path, "it is \(kind)",
        advice: "Name a file \(isFolder ? "in it " : "")with --db.")
    }
  }

  private func makeFolder() throws(StoreError) {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
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
