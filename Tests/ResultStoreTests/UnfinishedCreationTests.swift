import Foundation
import GRDB
import Testing

@testable import ResultStore

@Suite("Files that a killed process was making")
struct UnfinishedCreationTests {
  /// A file and the journal of a transaction that nobody will finish, as a process leaves them that is killed before
  /// the file has its journal mode.
  private func leaveUnfinished(at path: String) throws {
    let source = path + ".source"
    var configuration = Configuration()
    configuration.journalMode = .default
    let queue = try DatabaseQueue(path: source, configuration: configuration)
    try queue.writeWithoutTransaction { database in
      try database.execute(sql: "CREATE TABLE before (text)")
      try database.execute(sql: "DROP TABLE before")
      try database.execute(sql: "PRAGMA cache_size = 2")
      try database.execute(sql: "BEGIN IMMEDIATE")
      try database.execute(sql: "CREATE TABLE half (text)")
      for _ in 0..<200 {
        try database.execute(sql: "INSERT INTO half VALUES (randomblob(2000))")
      }
      // More than the cache holds has gone into the file, and the journal says how to take it back.
      try FileManager.default.copyItem(atPath: source, toPath: path)
      try FileManager.default.copyItem(atPath: source + "-journal", toPath: path + "-journal")
      try database.execute(sql: "ROLLBACK")
    }
    try queue.close()
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-unfinished-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.appendingPathComponent("results.sqlite").path)
  }

  @Test("The next run takes the unfinished step back and goes on")
  func writing() throws {
    try inFolder { path in
      try leaveUnfinished(at: path)
      let store = try ResultStore(path: path, access: .writing)
      #expect(try store.experimentNames() == [])
      try store.close()
      _ = try ResultStore(path: path, access: .reading)
    }
  }

  @Test("A reader finds a file without experiments")
  func reading() throws {
    try inFolder { path in
      try leaveUnfinished(at: path)
      #expect {
        _ = try ResultStore(path: path, access: .reading)
      } throws: {
        ($0 as? StoreError)?.problem == .missing
      }
    }
  }
}
