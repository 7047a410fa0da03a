import Foundation
import GRDB

/// What a merge took over from one database.
public struct MergeSummary: Sendable, Hashable {
  /// Runs that were not here before.
  public var runs = 0
  /// Cells with results that were not here before.
  public var cells = 0
  /// True where the source is the target itself.
  public var isTargetItself = false

  public init(runs: Int = 0, cells: Int = 0, isTargetItself: Bool = false) {
    self.runs = runs
    self.cells = cells
    self.isTargetItself = isTargetItself
  }
}

extension ResultStore {
  /// Takes over all that another database holds and this one lacks, in one transaction; the source is never changed.
  ///
  /// What is there already stays, so merging again changes nothing, and several sources give the same content in any
  /// order. Runs keep their identities and with them their machines; of figures that two runs have of one cell, both
  /// stay, and the newest are shown. See ``MergeConflict`` for what is refused.
  ///
  /// - Parameter scratch: the folder for a copy of an older source, which is brought up to date; gone at the end.
  /// - Throws: ``StoreError`` about the source, or about this database; nothing has changed then.
  public func merge(
    _ source: String, scratch: URL = FileManager.default.temporaryDirectory
  ) throws(StoreError) -> MergeSummary {
    let inspection = try DatabaseInspection(path: source, patience: patience)
    if let opened, FileIdentity(inspection.file) == opened {
      return MergeSummary(isTargetItself: true)
    }
    let copy =
      scratch.appendingPathComponent("tca-lab-merge-\(UUID().uuidString).sqlite").path
    defer {
      for end in ["", "-journal", "-wal", "-shm"] {
        try? FileManager.default.removeItem(atPath: copy + end)
      }
    }
    let address = try inspection.soundAddress(copyingTo: copy)
    return try writing {
      try queue.writeWithoutTransaction { database in
        try database.execute(sql: "ATTACH ? AS source", arguments: [address])
        defer { try? database.execute(sql: "DETACH source") }
        var summary = MergeSummary()
        try database.inTransaction(.immediate) {
          summary = try Merge(database: database, source: source, target: path).run()
          return .commit
        }
        return summary
      }
    }
  }
}

extension DatabaseInspection {
  /// How another connection attaches the database, to read only, once all of it has been found sound.
  ///
  /// - Parameter copy: the file for an older one's copy.
  fileprivate func soundAddress(copyingTo copy: String) throws(StoreError) -> String {
    let queue = try openForReading(copyingTo: copy)
    do {
      try queue.read { database in
        let said = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? ""
        if said != "ok" { throw StoreError.damaged(path, said) }
        // What refers to nothing could not be taken over, and would be missing without a word.
        if let row = try Row.fetchOne(database, sql: "PRAGMA foreign_key_check") {
          let table = try row.decode(String.self, atIndex: 0)
          let other = try row.decode(String.self, atIndex: 2)
          throw StoreError.damaged(
            path, "a row of \(table) refers to one of \(other) that is not there")
        }
      }
      let address =
        queue.path.hasPrefix("file:") ? queue.path : Self.address(of: queue.path, "mode=ro")
      try queue.close()
      return address
    } catch {
      throw StoreError.translating(error, file: path, waited: patience)
    }
  }
}
