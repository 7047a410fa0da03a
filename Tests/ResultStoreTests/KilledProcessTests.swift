import Foundation
import GRDB
import Testing

@testable import ResultStore

@Suite("A folder that cannot be written")
struct ReadOnlyFolderTests {
  @Test(
    "A database in it is read, with an empty WAL beside it or without", arguments: [true, false])
  func readOnly(hasWAL: Bool) async throws {
    let folder = TemporaryFolder()
    let path = folder.file()
    let store = try ResultStore(path: path, access: .writing)
    _ = try store.beginRun(
      of: ExampleExperiment.record, cells: ExampleExperiment.cells,
      provenance: ExampleExperiment.provenance)
    try store.close()
    if hasWAL { try Data().write(to: URL(fileURLWithPath: path + "-wal")) }
    let files = FileManager.default
    try files.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.path)
    await #expect(processExitsWith: .success) { [path = path as String] in
      // The superuser may write anywhere.
      if getuid() == 0 { setuid(65534) }
      let store = try ResultStore(path: path, access: .reading)
      guard try store.results(of: "example").rows.count == 24 else { exit(1) }
    }
    try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path)
    #expect(files.fileExists(atPath: path + "-wal") == hasWAL)
  }
}

@Suite("Killed process")
struct KilledProcessTests {
  @Test("SIGKILL inside a transaction loses that transaction and nothing else")
  func killed() async throws {
    let folder = TemporaryFolder()
    let path = folder.file()
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let store = try ResultStore(path: path, access: .writing)
      let run = try store.beginRun(
        of: ExampleExperiment.record, cells: ExampleExperiment.cells,
        provenance: ExampleExperiment.provenance)
      for cell in ExampleExperiment.cells.prefix(5) {
        try store.store(ExampleExperiment.results(cell), run: run)
      }
      let sixth = ExampleExperiment.results(ExampleExperiment.cells[5])
      try store.queue.write { database in
        let cell = try store.cellID(sixth.identity, in: database)
        for head in sixth.heads {
          var columns = try head.columns()
          columns["cell_id"] = cell.databaseValue
          columns["run_id"] = run.databaseValue
          try database.insert(columns, into: "head_measurement")
        }
        try store.mark(sixth.kinds, cell: cell, run: run, in: database)
        kill(getpid(), SIGKILL)
      }
    }
    let rows = try ResultStore(path: path, access: .reading).results(of: "example").rows
    #expect(rows.map { $0.kinds.count } == [3, 3, 3, 3, 3] + Array(repeating: 0, count: 19))
    #expect(rows[4].heads.count == 24)
    #expect(rows[5].heads.isEmpty)

    let store = try ResultStore(path: path, access: .writing)
    #expect(try store.storedRuns().map(\.endedAt) == [nil])
    let run = try store.beginRun(
      of: ExampleExperiment.record, cells: ExampleExperiment.cells,
      provenance: ExampleExperiment.provenance)
    try store.store(ExampleExperiment.results(ExampleExperiment.cells[5]), run: run)
    #expect(try store.results(of: "example").rows[5].heads.count == 24)
  }
}
