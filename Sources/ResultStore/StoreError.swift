import GRDB

/// What is wrong with a result database, or with what was to be stored in it, and what to do about it.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Problem: String, Sendable, Hashable, CaseIterable {
    case missing, notADatabase, foreign, newerSchema, readOnly, locked, full, damaged
    case unreachable, replaced, unknownName, invalidFigure, conflict, other
  }

  public var problem: Problem
  /// The database file, as it was named.
  public var file: String
  public var detail: String
  /// The next step.
  public var advice: String

  public init(_ problem: Problem, file: String, _ detail: String, advice: String) {
    self.problem = problem
    self.file = file
    self.detail = detail
    self.advice = advice
  }

  public var description: String { "database \"\(file)\": \(detail). \(advice)" }
}

extension StoreError {
  /// The cause behind an error of SQLite; stored rows are never touched by a failed transaction.
  init(_ error: DatabaseError, file: String, waited seconds: Double) {
    let said = error.message ?? "SQLite error \(error.extendedResultCode.rawValue)"
    switch error.resultCode {
    case .SQLITE_NOTADB:
      self = .notADatabase(file)
    case .SQLITE_CORRUPT, .SQLITE_FORMAT:
      self = .damaged(file, said)
    case .SQLITE_BUSY, .SQLITE_LOCKED, .SQLITE_PROTOCOL:
      self.init(
        .locked, file: file, "another process holds it locked (waited \(seconds) s)",
        advice: "Wait until that program has finished, or name another file with --db.")
    case .SQLITE_FULL:
      self.init(
        .full, file: file, "the disk is full; what was stored before is kept",
        advice: "Free some space and run again: finished cells are not repeated.")
    case .SQLITE_READONLY, .SQLITE_PERM:
      self.init(
        .readOnly, file: file, "it cannot be written (\(said))",
        advice:
          "Allow writing to the file and its folder, or name another file with --db.")
    case .SQLITE_CANTOPEN, .SQLITE_IOERR, .SQLITE_AUTH:
      self.init(
        .unreachable, file: file, "it cannot be opened or read (\(said))",
        advice:
          "Check that the path is a file on a local disk and that it and its folder can be read and written."
      )
    default:
      self.init(
        .other, file: file, "SQLite says: \(said) (code \(error.extendedResultCode.rawValue))",
        advice: "Look into the file with the sqlite3 program, or name another file with --db.")
    }
  }

  static func notADatabase(_ file: String) -> StoreError {
    StoreError(
      .notADatabase, file: file, "the file is not an SQLite database",
      advice: "Name another file with --db.")
  }

  static func damaged(_ file: String, _ detail: String) -> StoreError {
    StoreError(
      .damaged, file: file, "the file is damaged (\(detail))",
      advice:
        "Save what can be read with `sqlite3 \"\(file)\" .recover | sqlite3 recovered.sqlite`, or start a new file with --db."
    )
  }
}
