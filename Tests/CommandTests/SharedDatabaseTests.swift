import Foundation
import LabTestSupport
import Records
import ResultStore
import Testing

@Suite("Several processes on one database", .serialized)
struct SharedDatabaseTests {
  let lab: Lab

  init() throws {
    lab = try Lab()
    try lab.writeSpec(
      contexts: "64, 96, 128, 160, 192, 224, 256, 288, 320, 352", strategies: [Lab.streaming],
      tasks: [#"{"name": "perplexity", "corpus": "novel.txt", "samples": 8, "decodeTokens": 4}"#])
  }

  /// How many runs stored each kind of each cell.
  private func storedTimes(_ database: String) throws -> Set<Int> {
    let store = try ResultStore(path: lab.path(database), access: .reading)
    var counts: [String: Int] = [:]
    for run in try store.storedRuns() {
      for row in try store.results(ofRun: run.id).rows {
        for kind in row.kinds.keys {
          counts["\(row.planned.cell.identity) \(kind)", default: 0] += 1
        }
      }
    }
    #expect(counts.count == 20 * 4, "\(counts.count)")
    return Set(counts.values)
  }

  @Test("Three share the work: each cell is measured once, and each process ends when all are")
  func shared() throws {
    let runs = try (0..<3).map { _ in try lab.start(["run", "spec.json", "--db", "a.sqlite"]) }
    let results = try runs.map { try $0.wait() }
    for result in results { #expect(result.status == 0, "\(result.err)") }
    #expect(try storedTimes("a.sqlite") == [1])
    #expect(try lab.runs("a.sqlite").count == 3)
    #expect(try lab.run("run", "spec.json", "--db", "alone.sqlite").status == 0)
    #expect(try lab.reproducible("a.sqlite") == lab.reproducible("alone.sqlite"))
  }

  @Test("What a killed process was at is measured by another, which says who has the rest")
  func killed() throws {
    let first = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(first.waitForLog("full: "))
    let second = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(second.waitForLog("is running \"tiny\" on this database too (run 1"), "\(second.log)")
    first.send(SIGKILL)
    _ = try first.wait()
    let result = try second.wait()
    #expect(result.status == 0, "\(result.err)")
    #expect(try storedTimes("a.sqlite") == [1])
    let third = try lab.run("run", "spec.json", "--db", "a.sqlite")
    #expect(third.err.contains("0 cells run, 20 done before"), "\(third.err)")
    #expect(!third.err.contains("on this database too"))
  }

  @Test(
    "Processes of two containers share the work like any two, killed or not",
    .enabled(if: Lab.canStartContainers))
  func containers() throws {
    let first = try lab.start(["run", "spec.json", "--db", "a.sqlite"], inContainer: true)
    #expect(first.waitForLog("full: "))
    let second = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(second.waitForLog("of another container is running \"tiny\""), "\(second.log)")
    let results = try [first, second].map { try $0.wait() }
    for result in results { #expect(result.status == 0, "\(result.err)") }
    #expect(try storedTimes("a.sqlite") == [1])

    let killed = try lab.start(["run", "spec.json", "--db", "b.sqlite"], inContainer: true)
    #expect(killed.waitForLog("full: "))
    killed.send(SIGKILL)
    _ = try killed.wait()
    let rest = try lab.run("run", "spec.json", "--db", "b.sqlite")
    #expect(rest.status == 0, "\(rest.err)")
    #expect(try storedTimes("b.sqlite") == [1])
  }

  @Test("A stopped process keeps what it is at; the others wait for it, and an interrupt ends that")
  func stopped() throws {
    let first = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(first.waitForLog("full: "))
    first.send(SIGSTOP)
    defer { first.send(SIGKILL) }
    let second = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(second.waitForLog("is at it (run 1"), "\(second.log)")
    second.send(SIGINT)
    #expect(try second.wait().status == 130)
  }

  @Test("With --fresh a process measures all of its cells itself")
  func fresh() throws {
    let first = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(first.waitForLog("full: "))
    let second = try lab.run("run", "spec.json", "--db", "a.sqlite", "--fresh")
    #expect(second.status == 0 && second.err.contains("20 cells run"), "\(second.err)")
    #expect(try first.wait().status == 0)
  }
}
