import Foundation
import GRDB
import Records

/// The result database: one SQLite file, strict tables, every call one transaction.
///
/// Figures are appended, never overwritten; views show the newest run's. Tables, columns, units and views:
/// `docs/database.md`. A process that is killed loses at most the transaction in progress. Several processes may use
/// one file; they wait for each other up to `patience` seconds a call.
///
/// The file is not trusted: whatever it holds, calls throw a ``StoreError`` and never trap.
public final class ResultStore: Sendable {
  public enum Access: Sendable {
    /// Makes the file and its folder where they are missing, and brings an older schema up to date.
    case writing
    /// Changes nothing; the file has to be there. An older one is read through a copy that is up to date.
    case reading
  }

  /// The file, as it was named.
  public let path: String
  let queue: DatabaseQueue
  let patience: Double
  let now: @Sendable () -> Date
  let opened: FileIdentity?
  /// What `path` means.
  private let file: String
  /// Of the runs that this store began.
  let locks: RunLocks?

  /// Opens a database.
  ///
  /// - Parameters:
  ///   - patience: seconds to wait for another process that writes.
  ///   - now: the clock for the times in `run`, `timing_group`, `failure` and `calibration`.
  public init(
    path: String, access: Access, patience: Double = 10,
    now: @escaping @Sendable () -> Date = { Date() }
  ) throws(StoreError) {
    self.path = path
    self.patience = patience
    self.now = now
    let inspection = try DatabaseInspection(path: path, patience: patience)
    file = inspection.file
    switch access {
    case .reading:
      queue = try inspection.openForReading()
      opened = nil
      locks = nil
    case .writing:
      queue = try inspection.openForWriting()
      opened = FileIdentity(inspection.file)
      locks = RunLocks(besides: inspection.file)
    }
  }

  /// Closes the file and leaves all of it in one place; the store cannot be used afterwards.
  ///
  /// Without this call nothing is lost: what is still in the file beside it is read from there. A run that has not ended
  /// counts as given up.
  public func close() throws(StoreError) {
    locks?.releaseAll()
    try translating { try queue.close() }
  }

  /// The process that is at work on a run, from the run's columns `identity` and `process`; nil where it has ended.
  func process(at run: String, _ description: String) -> HoldingProcess? {
    guard let number = RunningProcess.number(in: description) else { return nil }
    if RunningProcess.isRunning(description) {
      return HoldingProcess(number: number, isInSight: true)
    }
    return RunLocks.isHeld(run, besides: file)
      ? HoldingProcess(number: number, isInSight: false) : nil
  }

  /// One transaction that changes something, or nothing if it throws.
  func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
    try writing { try queue.write(body) }
  }

  /// What changes the file that was opened, and no other.
  func writing<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
    guard opened == nil || FileIdentity(file) == opened else {
      throw StoreError(
        .replaced, file: path,
        "the file was moved, deleted or replaced while this program was using it",
        advice: "Put it back, or run again to fill a new one.")
    }
    return try translating(body)
  }

  /// One consistent look at the database.
  func read<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
    try translating { try queue.read(body) }
  }

  private func translating<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
    do {
      return try body()
    } catch {
      throw StoreError.translating(error, file: path, waited: patience)
    }
  }
}

extension StoreError {
  /// Any error of the database layer, told in terms of the file.
  static func translating(_ error: any Error, file: String, waited seconds: Double) -> StoreError {
    switch error {
    case let error as StoreError: error
    case let error as DatabaseError: StoreError(error, file: file, waited: seconds)
    case let error as RowDecodingError: .damaged(file, place(of: error))
    default: .damaged(file, "\(error)")
    }
  }
}

extension StoreError {
  /// The column and its value; the error itself goes on to the whole row and query.
  private static func place(of error: RowDecodingError) -> String {
    let text = "\(error)"
    guard let place = text.firstMatch(of: /database value (.+?) - column: "(.+?)"/) else {
      return text
    }
    return "column \(place.2) holds \(place.1.prefix(80))"
  }
}

/// Which file a path names at this moment.
struct FileIdentity: Equatable, Sendable {
  private var device: Int
  private var number: Int

  /// Nil where there is no such file.
  init?(_ path: String) {
    guard
      let attributes = try? FileManager.default.attributesOfItem(atPath: path),
      let device = attributes[.systemNumber] as? Int,
      let number = attributes[.systemFileNumber] as? Int
    else { return nil }
    self.device = device
    self.number = number
  }
}
