import Foundation
import JSON
import Testing

/// What other programs, and the machine, do to a run.
@Suite("A run under faults", .serialized)
struct FaultTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  /// Long enough that it never ends before what happens to it.
  private func writeLongSpec() throws {
    try lab.writeSpec(
      contexts: "256",
      tasks: [
        #"{"name": "perplexity", "corpus": "persuasion", "samples": 500, "protocol": "continuation"}"#
      ])
  }

  private func startLongRun() throws -> Lab.Running {
    try writeLongSpec()
    let run = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(run.waitForLog("perplexity/continuation at 256"))
    usleep(200_000)
    return run
  }

  /// Overwrites one byte of the model, the last one of its weights, in place.
  private func damageModel() throws {
    let file = try FileHandle(forUpdating: lab.folder.appendingPathComponent("model.gguf"))
    let end = try file.seekToEnd()
    try file.seek(toOffset: end - 100)
    let byte = try #require(try file.read(upToCount: 1)?.first)
    try file.seek(toOffset: end - 100)
    try file.write(contentsOf: Data([byte ^ 1]))
    try file.close()
  }

  @Test("A model that is cut off while it is in use ends the run with a word, not with a bus error")
  func cutOff() throws {
    let run = try startLongRun()
    let file = try FileHandle(forUpdating: lab.folder.appendingPathComponent("model.gguf"))
    try file.truncate(atOffset: 4096)
    try file.close()
    let result = try run.wait()
    #expect(result.status == 3, "\(result.err)")
    #expect(
      result.err.contains("model.gguf\" was cut off by another program while it was in use"),
      "\(result.err)")
    #expect(try lab.runs("a.sqlite").map(\.ending) == [nil])
  }

  @Test(
    "Of a model that is written to while it is in use nothing is stored any more, and it is said")
  func overwritten() throws {
    try lab.writeSpec(
      contexts: "256",
      tasks: [
        #"{"name": "perplexity", "corpus": "persuasion", "samples": 60, "protocol": "continuation"}"#
      ])
    let run = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(run.waitForLog("perplexity/continuation at 256"))
    // Until it is opened, it counts as replaced.
    usleep(300_000)
    try damageModel()
    let result = try run.wait()
    #expect(result.status == 1, "\(result.err)")
    #expect(result.err.contains("was written to while it was in use"), "\(result.err)")
    let rows = try lab.results("a.sqlite").rows
    #expect(rows.count == 4)
    for row in rows {
      #expect(row.kinds.isEmpty)
      #expect(row.failure?.reason.contains("model.gguf: was written to") == true)
    }
  }

  @Test("A model that is only touched or renamed is the same model")
  func touched() throws {
    try lab.writeSpec(
      contexts: "256",
      tasks: [
        #"{"name": "perplexity", "corpus": "persuasion", "samples": 20, "protocol": "continuation"}"#
      ])
    let run = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(run.waitForLog("perplexity/continuation at 256"))
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: lab.path("model.gguf"))
    try FileManager.default.moveItem(
      atPath: lab.path("model.gguf"), toPath: lab.path("renamed.gguf"))
    let result = try run.wait()
    #expect(result.status == 0, "\(result.err)")
    #expect(try lab.results("a.sqlite").rows.allSatisfy { $0.kinds.count == 4 })
  }

  @Test("What is timed while the process is stopped is thrown away, said, and timed again")
  func stopped() throws {
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["latency"]"#)
    let spec = try lab.read("spec.json")
    try lab.write(
      spec.replacingOccurrences(of: #""repeats": 2"#, with: #""repeats": 200"#), to: "spec.json")
    let run = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(run.waitForLog("perplexity/"))
    usleep(100_000)
    run.send(SIGSTOP)
    usleep(1_500_000)
    run.send(SIGCONT)
    let result = try run.wait()
    #expect(result.status == 0, "\(result.err)")
    #expect(result.err.contains("the process stood still meanwhile"), "\(result.err)")
    let samples = try lab.results("a.sqlite").timingGroups.flatMap {
      $0.group.samples + $0.group.controls
    }
    // Two protocols, 200 repeats of two strategies and of full attention once more.
    #expect(samples.count == 2 * 200 * 3)
    #expect(samples.allSatisfy { $0.timeToFirstToken < 1.5 })
  }

  @Test("A cell that would not fit is refused with the estimate, and run where more is allowed")
  func memory() throws {
    try lab.writeSpec(strategies: [Lab.streaming])
    let refused = try lab.run("run", "spec.json", "--db", "a.sqlite", "--memory-limit", "50MB")
    #expect(refused.status == 1, "\(refused.err)")
    #expect(refused.err.contains("0 cells run, 0 done before, 4 failed"), "\(refused.err)")
    let reasons = try lab.results("a.sqlite").rows.compactMap(\.failure?.reason)
    #expect(reasons.count == 4)
    for reason in reasons {
      #expect(reason.contains(/needs about 1\d\d MB, more than the 50 MB that --memory-limit/))
    }
    let allowed = try lab.run("run", "spec.json", "--db", "a.sqlite", "--memory-limit", "0.5GiB")
    #expect(allowed.status == 0, "\(allowed.err)")
    #expect(try lab.results("a.sqlite").rows.allSatisfy { $0.failure == nil })
    for wrong in ["0", "-1", "many", "8XB", "nan", "1e400"] {
      let result = try lab.run("run", "spec.json", "--memory-limit", wrong)
      #expect(result.status == 2 && result.err.contains("--memory-limit"), "\(result.err)")
    }
  }

  @Test(
    "A limit that no model could run in asks for the unit that was forgotten",
    arguments: [
      ("8", "8 bytes", "8GB"), ("512", "512 bytes", "512MB"), ("1", "1 byte", "1GB"),
      ("8MB", "8 MB", "8GB"), ("1.5k", "1500 bytes", "1.5GB"),
    ])
  func forgottenUnit(limit: String, meaning: String, suggestion: String) throws {
    let result = try lab.run("run", "spec.json", "--memory-limit", limit)
    #expect(result.status == 2)
    #expect(
      result.err.contains(
        "'\(limit)' is invalid for '--memory-limit <size>': that is \(meaning), and no model runs in less than 16 MB: did you mean \"\(suggestion)\"?"
      ), "\(result.err)")
  }

  @Test("What is stored already needs no memory beside a cell that is not")
  func memoryOfTheRest() throws {
    let others = (1...4).map { #"{"name": "streaming-llm", "sinks": \#($0), "localWindow": 32}"# }
    try lab.writeSpec(strategies: others)
    #expect(try lab.run("run", "spec.json", "--db", "a.sqlite").status == 0)
    try lab.writeSpec(strategies: others + [Lab.tca])
    func peak(_ database: String) throws -> Int {
      let plan = try lab.run("plan", "spec.json", "--json", "--db", database)
      return try #require(try JSONValue(parsing: plan.out)["estimatedPeakBytes"]?.integerValue)
    }
    let (all, rest) = (try peak("none.sqlite"), try peak("a.sqlite"))
    #expect(rest < all)
    let run = try lab.run(
      "run", "spec.json", "--db", "a.sqlite", "--memory-limit", "\((all + rest) / 2)")
    #expect(run.status == 0, "\(run.err)")
    let fresh = try lab.run(
      "run", "spec.json", "--db", "a.sqlite", "--fresh", "--memory-limit", "\((all + rest) / 2)")
    #expect(fresh.status == 1, "\(fresh.err)")
  }
}
