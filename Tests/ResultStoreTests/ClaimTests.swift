import Foundation
import GRDB
import Records
import Testing

@testable import ResultStore

@Suite("Cells that runs are at work on")
struct ClaimTests {
  let folder = TemporaryFolder()
  let store: ResultStore
  private static let identities = ExampleExperiment.cells.map(\.cell.identity)

  init() throws { store = try ResultStore(path: folder.file(), access: .writing) }

  private func begin(process: String? = nil) throws -> Int64 {
    let run = try Self.begin(in: store)
    if let process {
      try store.queue.write {
        try $0.execute(sql: "UPDATE run SET process = ? WHERE id = ?", arguments: [process, run])
      }
    }
    return run
  }

  @Test("What one run has no other gets, all or nothing; it names the holder")
  func exclusive() throws {
    let (first, second) = (try begin(), try begin())
    #expect(try store.claim(Array(Self.identities[0..<4]), run: first) == nil)
    let holder = try #require(try store.claim(Array(Self.identities[3..<8]), run: second))
    #expect(holder.run == first && holder.experiment == "example")
    #expect(
      holder.process
        == HoldingProcess(number: ProcessInfo.processInfo.processIdentifier, isInSight: true))
    // Nothing of it was taken.
    #expect(try store.claim(Array(Self.identities[4..<8]), run: first) == nil)
    // The first has let go of what it had before.
    #expect(try store.claim(Array(Self.identities[0..<4]), run: second) == nil)
  }

  @Test("A run's end frees its cells")
  func ended() throws {
    let (first, second) = (try begin(), try begin())
    #expect(try store.claim(Self.identities, run: first) == nil)
    try store.endRun(first, as: .interrupted)
    #expect(try store.claim(Self.identities, run: second) == nil)
  }

  @Test("The end of its process frees them too: another start, another boot, no such process")
  func dead() throws {
    // The first process of the machine is alive for as long as this test.
    let living = try #require(RunningProcess(number: 1)).description
    let words = living.split(separator: " ").map(String.init)
    let last = try begin()
    #expect(try store.claim(Self.identities, run: begin(process: living)) == nil)
    #expect(try store.claim(Self.identities, run: last)?.process.description == "process 1")
    for dead in [
      "\(words[0]) 1 \(words[2])7", "another-boot 1 \(words[2])", "\(words[0]) 99999999 1",
      "nonsense",
    ] {
      let path = folder.file("\(dead.hashValue).sqlite")
      let (gone, file) = try claimedFile(path, process: dead)
      try gone.close()
      #expect(try file.runsInProgress().isEmpty)
      #expect(try file.claim(Self.identities, run: Self.begin(in: file)) == nil, "\(dead)")
    }
  }

  @Test("A process of another container, out of sight, keeps its cells until it ends")
  func elsewhere() throws {
    let boot = try #require(RunningProcess(number: 1)).description.split(separator: " ")[0]
    let (other, file) = try claimedFile(folder.file("b.sqlite"), process: "\(boot) 99999999 1")
    let run = try Self.begin(in: file)
    let holder = try #require(try file.claim(Self.identities, run: run))
    #expect(holder.process == HoldingProcess(number: 99_999_999, isInSight: false))
    #expect("\(holder.process)" == "process 99999999 of another container")
    let others = try file.runsInProgress().filter { $0.run.id != run }
    #expect(others.map(\.process) == [holder.process])
    try other.close()
    #expect(try file.claim(Self.identities, run: run) == nil)
  }

  @Test("A lock says which run is held, and where nothing is")
  func locks() throws {
    let store = try ResultStore(path: folder.file("c.sqlite"), access: .writing)
    _ = try Self.begin(in: store)
    let identity = try store.read { try String.fetchOne($0, sql: "SELECT identity FROM run") }
    #expect(RunLocks.isHeld(try #require(identity), besides: folder.file("c.sqlite")))
    #expect(!RunLocks.isHeld("another run", besides: folder.file("c.sqlite")))
    #expect(!RunLocks.isHeld(try #require(identity), besides: "/nowhere/c.sqlite"))
  }

  /// A file of which a store has all cells, for a run of the process that is described so, and another store of it.
  private func claimedFile(
    _ path: String, process: String
  ) throws -> (holder: ResultStore, other: ResultStore) {
    let holder = try ResultStore(path: path, access: .writing)
    let run = try Self.begin(in: holder)
    #expect(try holder.claim(Self.identities, run: run) == nil)
    try holder.queue.write {
      try $0.execute(sql: "UPDATE run SET process = ? WHERE id = ?", arguments: [process, run])
    }
    return (holder, try ResultStore(path: path, access: .writing))
  }

  private static func begin(in store: ResultStore) throws -> Int64 {
    try store.beginRun(
      of: ExampleExperiment.record, cells: ExampleExperiment.cells,
      provenance: ExampleExperiment.provenance)
  }

  @Test("A zombie has ended")
  func zombie() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    // Its child ends at once, and nobody asks for it.
    process.arguments = ["-c", "true & echo $!; exec sleep 60"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    defer { process.terminate() }
    let line = String(decoding: pipe.fileHandleForReading.availableData, as: UTF8.self)
    let number = try #require(Int32(line.trimmingCharacters(in: .whitespacesAndNewlines)))
    let end = ContinuousClock.now + .seconds(20)
    while RunningProcess(number: number) != nil, ContinuousClock.now < end { usleep(5_000) }
    #expect(RunningProcess(number: number) == nil)
    #expect(FileManager.default.fileExists(atPath: "/proc/\(number)"), "it was a zombie")
  }
}
