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
    let run = try store.beginRun(
      of: ExampleExperiment.record, cells: ExampleExperiment.cells,
      provenance: ExampleExperiment.provenance)
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
    #expect(holder.process == ProcessInfo.processInfo.processIdentifier)
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
    #expect(try store.claim(Self.identities, run: last)?.process == 1)
    for dead in [
      "\(words[0]) 1 \(words[2])7", "another-boot 1 \(words[2])", "\(words[0]) 99999999 1",
      "nonsense",
    ] {
      let file = try ResultStore(path: folder.file("\(dead.hashValue).sqlite"), access: .writing)
      let (first, second) = try (0..<2).map { _ in
        try file.beginRun(
          of: ExampleExperiment.record, cells: ExampleExperiment.cells,
          provenance: ExampleExperiment.provenance)
      }.pair
      #expect(try file.claim(Self.identities, run: first) == nil)
      try file.queue.write {
        try $0.execute(sql: "UPDATE run SET process = ? WHERE id = ?", arguments: [dead, first])
      }
      #expect(try file.claim(Self.identities, run: second) == nil, "\(dead)")
    }
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

extension Array {
  fileprivate var pair: (Element, Element) { (self[0], self[1]) }
}
