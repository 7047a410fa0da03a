import Foundation
import Testing

@Suite("Running, reporting, comparing", .serialized)
struct RunCommandTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  @Test("Plan, run, run again, report, compare: the way through an experiment")
  func wholeWay() throws {
    try lab.writeSpec()
    let plan = try lab.run("plan", "spec.json", "--json").json()
    let cells = try #require(plan["cells"]?.arrayValue)
    #expect(cells.count == 8)
    for cell in cells {
      #expect(cell["identity"]?.stringValue?.count == 64)
      #expect(cell["model"] == "tiny" && cell["contextLength"] == 128 && cell["done"] == false)
      #expect(cell["task"] == "perplexity" && cell["strategy"]?.stringValue != nil)
      #expect(["prefill", "continuation"].contains(cell["protocol"]?.stringValue))
    }
    #expect(!lab.exists("results"), "a plan stores nothing")
    let validated = try lab.run("validate", "spec.json")
    #expect(validated.status == 0 && validated.out.contains("8 cells"))

    let run = try lab.run("run", "spec.json")
    #expect(run.status == 0, "\(run.err)")
    #expect(run.err.contains("8 cells run, 0 done before, 0 failed"), "\(run.err)")
    #expect(!run.err.contains("\u{1B}"), "no progress line where stderr is a file")
    let before = try lab.results("results/tca-lab.sqlite")

    let again = try lab.run("run", "spec.json")
    #expect(again.status == 0)
    #expect(again.err.contains("0 cells run, 8 done before, 0 failed"), "\(again.err)")
    #expect(try lab.results("results/tca-lab.sqlite").rows == before.rows)
    let done = try lab.run("plan", "spec.json", "--json").json()
    #expect(done["cells"]?.arrayValue?.allSatisfy { $0["done"] == true } == true)
    #expect(try lab.run("plan", "spec.json").out.contains("8 cells, 8 done"))

    let report = try lab.run("report", "tiny")
    #expect(report.status == 0, "\(report.err)")
    for label in Set(before.rows.map(\.planned.label)) {
      #expect(report.out.contains(label), "\(label): \(report.out)")
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: lab.path("results/tiny"))
    #expect(files.contains { $0.hasSuffix(".md") } && files.contains { $0.hasSuffix(".csv") })
    let page = try lab.run("report", "tiny", "--format", "html", "--output", "-")
    let written = try lab.read("results/tiny/report.html")
    #expect(page.status == 0 && page.out == written)
    #expect(page.out.hasPrefix("<!DOCTYPE html>"))
    #expect(page.out.contains("tca-lab run tiny.json --db "))
    let csv = try lab.run("report", "tiny", "--format", "csv", "--output", "-")
    #expect(csv.status == 0 && csv.out.contains("perplexity"))

    let compare = try lab.run("compare", "tca", "streaming-llm")
    #expect(compare.status == 0, "\(compare.err)")
    #expect(compare.out.contains("tca") && compare.out.contains("streaming-llm"))
    #expect(try lab.run("compare", "1", "2").status == 2, "run 2 measured nothing")
    let unknown = try lab.run("compare", "tca", "quest")
    #expect(unknown.status == 2 && unknown.err.contains("quest"), "\(unknown.err)")

    #expect(try lab.run("run", "spec.json", "--fresh").status == 0)
    #expect(try lab.run("compare", "1", "3").status == 0)
  }

  @Test("Where a cell fails, the others are stored and the code is 1")
  func failedCell() throws {
    try lab.writeSpec(strategies: [
      Lab.tca.replacingOccurrences(of: "novel.txt", with: "short.txt"), Lab.streaming,
      Lab.matching,
    ])
    let run = try lab.run("run", "spec.json", "--db", "a.sqlite")
    #expect(run.status == 1, "\(run.err)")
    #expect(run.err.contains("4 cells run, 0 done before, 4 failed"), "\(run.err)")
    #expect(run.err.contains("FAILED") && run.err.contains("short.txt"))
    #expect(try lab.runs("a.sqlite").map(\.ending) == [.withFailures])
    #expect(try lab.run("report", "tiny", "--db", "a.sqlite").status == 0)
  }

  @Test("A database that is damaged, missing or something else has code 4")
  func database() throws {
    try lab.writeSpec(strategies: [Lab.streaming])
    try lab.write(String(repeating: "not a database ", count: 500), to: "bad.sqlite")
    for arguments in [
      ["run", "spec.json", "--db", "bad.sqlite"], ["plan", "spec.json", "--db", "bad.sqlite"],
      ["report", "--db", "bad.sqlite"], ["compare", "a", "b", "--db", "bad.sqlite"],
      ["report", "--db", "nowhere.sqlite"], ["compare", "a", "b", "--db", "nowhere.sqlite"],
    ] {
      let result = try lab.start(arguments).wait()
      #expect(result.status == 4, "\(arguments): \(result.err)")
      #expect(result.err.contains(".sqlite") && result.out.isEmpty, "\(arguments): \(result.err)")
    }
    #expect(try lab.read("bad.sqlite").hasPrefix("not a database"))
    #expect(!lab.exists("nowhere.sqlite"))
    #expect(try lab.run("run", "spec.json", "--db", "a.sqlite").status == 0)
    let unknown = try lab.run("report", "another", "--db", "a.sqlite")
    #expect(unknown.status == 2 && unknown.err.contains("another"), "\(unknown.err)")
  }

  // MARK: Signals

  @Test(
    "Interrupted, it stops cleanly with the signal's code",
    arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))])
  func interruption(_ signal: Int32, _ status: Int32) throws {
    // Long enough that it never ends before the signal.
    try lab.writeSpec(
      contexts: "256",
      tasks: [
        #"{"name": "perplexity", "corpus": "persuasion", "samples": 500, "protocol": "continuation"}"#
      ])
    let run = try lab.start(["run", "spec.json", "--db", "a.sqlite"])
    #expect(run.waitForLog("perplexity/continuation at 256"))
    usleep(200_000)
    run.send(signal)
    let result = try run.wait()
    #expect(result.status == status, "\(result.err)")
    #expect(result.err.contains("stopping after the step in progress"), "\(result.err)")
    #expect(result.err.contains("interrupted after"), "\(result.err)")
    #expect(result.err.contains("to go on: tca-lab run spec.json --db a.sqlite\n"), "\(result.err)")
    #expect(try lab.runs("a.sqlite").map(\.ending) == [.interrupted])
  }

  @Test("Killed at any moment and started again, it ends with the rows of an undisturbed run")
  func killed() throws {
    try lab.writeSpec(
      contexts: "128, 256",
      tasks: [
        #"{"name": "perplexity", "corpus": "novel.txt", "samples": 4, "protocol": ["prefill", "continuation"], "decodeTokens": 4}"#
      ])
    let clock = ContinuousClock()
    let start = clock.now
    #expect(try lab.run("run", "spec.json", "--db", "whole.sqlite").status == 0)
    let (seconds, attoseconds) = (clock.now - start).components
    let whole = Double(seconds) + Double(attoseconds) * 1e-18
    let expected = try lab.reproducible("whole.sqlite")
    #expect(expected.count == 16)

    for share in [0.1, 0.3, 0.45, 0.6, 0.75, 0.9] {
      let database = "killed-\(Int(100 * share)).sqlite"
      let run = try lab.start(["run", "spec.json", "--db", database])
      usleep(UInt32(share * whole * 1e6))
      run.send(SIGKILL)
      let killed = try run.wait()
      let stored =
        killed.status == 0 || !lab.exists(database) ? [] : (try? lab.results(database).rows) ?? []

      let again = try lab.run("run", "spec.json", "--db", database)
      #expect(again.status == 0, "\(share): \(again.err)")
      #expect(try lab.reproducible(database) == expected, "\(share)")
      // What was there is there unchanged: no kind is measured twice.
      let rows = try lab.results(database).rows
      for row in stored {
        let now = try #require(
          rows.first { $0.planned.cell.identity == row.planned.cell.identity })
        for (kind, run) in row.kinds { #expect(now.kinds[kind] == run, "\(share)") }
      }
    }

    // Killed again and again, each time after one more line of its log.
    var isDone = false
    for attempt in 1...40 where !isDone {
      let run = try lab.start(["run", "spec.json", "--db", "often.sqlite"])
      let isFinished = run.waitForLog(attempt % 2 == 0 ? " s\n" : "tca: ")
      usleep(UInt32(attempt) * 10_000)
      if isFinished { run.send(SIGKILL) }
      isDone = try run.wait().status == 0
    }
    if !isDone { #expect(try lab.run("run", "spec.json", "--db", "often.sqlite").status == 0) }
    #expect(try lab.reproducible("often.sqlite") == expected)
  }

  @Test("NULs in a question and in a file's answers are stored and read whole")
  func wholeText() throws {
    try lab.write(
      #"{"context": "The hare slept.", "question": "Who?", "answers": ["hare\u0000 or tortoise"], "metric": "contains"}"#,
      to: "answers.jsonl")
    try lab.writeSpec(
      contexts: "256", strategies: [Lab.streaming],
      tasks: [#"{"name": "jsonl", "file": "answers.jsonl", "answerTokens": 4}"#],
      rest: #", "metrics": ["quality"], "question": "What is\u0000 stored?""#)
    let run = try lab.run("run", "spec.json", "--db", "a.sqlite")
    #expect(run.status == 0, "\(run.err)")
    let results = try lab.results("a.sqlite")
    #expect(results.experiment.question == "What is\u{0} stored?")
    #expect(results.rows.allSatisfy { $0.units.map(\.expected) == ["hare\u{0} or tortoise"] })
    let fields = try lab.run("report", "tiny", "--db", "a.sqlite", "--output", "out")
    #expect(fields.status == 0, "\(fields.err)")
    #expect(try lab.read("out/unit.csv").contains("hare\u{0} or tortoise"))
  }

  @Test("One cell is no \"cells\", and the log has a line for what is no cell's own")
  func oneCell() throws {
    try lab.writeSpec(
      strategies: [#"{"name": "full"}"#],
      tasks: [#"{"name": "perplexity", "corpus": "novel.txt", "decodeTokens": 4}"#])
    let validated = try lab.run("validate", "spec.json")
    #expect(validated.out == "spec.json: the spec is right, 1 cell\n")
    #expect(try lab.run("plan", "spec.json").out.contains("\n1 cell, 0 done"))
    let run = try lab.run("run", "spec.json")
    #expect(run.err.contains(": 1 cell run, 0 done before, 0 failed"), "\(run.err)")
    #expect(
      run.err.contains(
        /\n  loading: \d+\.\d s\n  dense pass: \d+\.\d s\n  full: \d+\.\d s\n  timing, 2 repeats: \d+\.\d s\n/
      ), "\(run.err)")
  }

  @Test("A plan tells tasks of one name apart")
  func planOfTasks() throws {
    try lab.writeSpec(
      tasks: [
        #"{"name": "passkey", "depths": [0.1], "samples": 1}"#,
        #"{"name": "passkey", "depths": [0.9], "samples": 1}"#,
      ])
    let plan = try lab.run("plan", "spec.json").out
    for depth in ["0.1", "0.9"] {
      #expect(plan.contains("passkey depths=[\(depth)]"), "\(plan)")
    }
  }
}
