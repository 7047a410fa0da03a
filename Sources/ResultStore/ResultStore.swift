import Foundation
import GRDB

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
    /// Changes nothing; the file has to be there.
    case reading
  }

  /// The file, as it was named.
  public let path: String
  let queue: DatabaseQueue
  let patience: Double
  let now: @Sendable () -> Date
  private let opened: FileIdentity?

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
    var configuration = Configuration()
    configuration.busyMode = .timeout(patience)
    configuration.label = "results"
    let inspection = DatabaseInspection(path: path, patience: patience)
    switch access {
    case .reading:
      queue = try inspection.openForReading()
      opened = nil
    case .writing:
      queue = try inspection.openForWriting()
      opened = FileIdentity(path)
    }
  }

  /// Closes the file and leaves all of it in one place; the store cannot be used afterwards.
  ///
  /// Without this call nothing is lost: what is still in the file beside it is read from there.
  public func close() throws(StoreError) {
    try translating { try queue.close() }
  }

  /// One transaction that changes something, or nothing if it throws.
  func write<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
    guard opened == nil || FileIdentity(path) == opened else {
      throw StoreError(
        .replaced, file: path,
        "the file was moved, deleted or replaced while this program was using it",
        advice: "Put it back, or run again to fill a new one.")
    }
    return try translating { try queue.write(body) }
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
    default: .damaged(file, "\(error)")
    }
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
