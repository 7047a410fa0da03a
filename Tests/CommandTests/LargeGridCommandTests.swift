import Foundation
import LabTestSupport
import ResultStore
import Testing

@Suite("Shards, merges and jobs", .serialized)
struct LargeGridCommandTests {
  let lab: Lab

  init() throws {
    lab = try Lab()
    try lab.writeSpec(contexts: "64, 128")
  }

  @Test("Shards, merged in any order, are the whole run; a shard's report names what is missing")
  func shards() throws {
    #expect(try lab.run("run", "spec.json", "--db", "one.sqlite").status == 0)
    var counts: [Int] = []
    for number in 1...3 {
      let run = try lab.run(
        "run", "spec.json", "--shard", "\(number)/3", "--db", "shard-\(number).sqlite")
      #expect(run.status == 0 && run.err.contains("shard \(number)/3: "), "\(run.err)")
      let rows = try lab.results("shard-\(number).sqlite").rows
      #expect(rows.count == 16)
      counts.append(rows.count { !$0.kinds.isEmpty })
    }
    #expect(counts.reduce(0, +) == 16 && counts.allSatisfy { $0 > 0 }, "\(counts)")
    let report = try lab.run(
      "report", "tiny", "--db", "shard-1.sqlite", "--format", "markdown", "--output", "out")
    #expect(report.status == 0)
    let text = try lab.read("out/report.md")
    #expect(
      text.contains("\(16 - counts[0]) of 16 cells have no results yet"), "\(text.prefix(2000))")

    let merge = try lab.run(
      "merge", "shard-3.sqlite", "shard-1.sqlite", "shard-2.sqlite", "--into", "all.sqlite")
    #expect(merge.status == 0, "\(merge.err)")
    #expect(merge.out.contains("shard-3.sqlite: new results of \(counts[2]) cells, 1 new run"))
    #expect(try lab.reproducible("all.sqlite") == lab.reproducible("one.sqlite"))
    let again = try lab.run("merge", "all.sqlite", "shard-1.sqlite", "--into", "all.sqlite")
    #expect(again.out == "all.sqlite: the target itself, left out\nshard-1.sqlite: nothing new\n")
    let missing = try lab.run("merge", "nowhere.sqlite", "--into", "all.sqlite")
    #expect(missing.status == 4 && missing.err.contains("Leave it out"), "\(missing.err)")
    // Nothing is left to run.
    let rest = try lab.run("run", "spec.json", "--db", "all.sqlite")
    #expect(rest.err.contains("0 cells run, 16 done before"), "\(rest.err)")
  }

  @Test("More shards than groups: an empty one runs nothing and is no failure")
  func emptyShard() throws {
    let runs = try (1...5).map { number in
      try lab.run("run", "spec.json", "--shard", "\(number)/5", "--db", "\(number).sqlite")
    }
    #expect(runs.allSatisfy { $0.status == 0 })
    #expect(runs.count { $0.err.contains(": 0 of 16 cells") } == 1)
  }

  @Test(
    "A shard that is none is refused with what is allowed", arguments: ["0/4", "5/4", "x", "1/0"])
  func wrongShard(_ shard: String) throws {
    let run = try lab.run("run", "spec.json", "--shard", shard)
    #expect(run.status == 2 && run.err.contains("'\(shard)'"), "\(run.err)")
    #expect(run.err.contains("1 ≤ I ≤ N"), "\(run.err)")
    #expect(!lab.exists("results"))
  }

  @Test("A source that cannot be merged is named, the others are merged, and the code is 4")
  func badSource() throws {
    #expect(
      try lab.run("run", "spec.json", "--shard", "1/2", "--db", "good.sqlite").status == 0)
    try lab.write(
      "no database, however long one looks at it, and it is not a short one", to: "bad.sqlite")
    let merge = try lab.run(
      "merge", "bad.sqlite", "nowhere.sqlite", "good.sqlite", "--into", "all.sqlite")
    #expect(merge.status == 4, "\(merge.err)")
    #expect(merge.err.contains("\"bad.sqlite\": the file is not an SQLite database"))
    #expect(merge.err.contains("\"nowhere.sqlite\": there is no such file"))
    #expect(merge.err.contains("2 of 3 databases were not merged"))
    #expect(merge.out.hasPrefix("good.sqlite: new results of "))
    // Of nothing no target is made.
    #expect(try lab.run("merge", "nowhere.sqlite", "--into", "none.sqlite").status == 4)
    #expect(!lab.exists("none.sqlite"))
  }

  // MARK: Slurm

  /// A folder for `PATH` with an `sbatch` that notes what it is called with, and answers with a number.
  private func fakeCluster(answer: String = "exit 0") throws -> String {
    try FileManager.default.createDirectory(
      atPath: lab.path("bin"), withIntermediateDirectories: true)
    try writeProgram(
      """
      #!/bin/bash
      printf '%s\\0' "$@" >> '\(lab.path("calls"))'
      printf '\\n' >> '\(lab.path("calls"))'
      echo "$((40 + $(wc -l < '\(lab.path("calls"))')));cluster"
      \(answer)
      """, to: lab.path("bin/sbatch"))
    return lab.path("bin") + ":/usr/bin:/bin"
  }

  private func calls() throws -> [[String]] {
    try lab.read("calls").split(separator: "\n").map {
      $0.split(separator: "\0").map(String.init)
    }
  }

  /// As a node does it.
  private func node(_ script: String, task: Int? = nil) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = [script]
    process.environment = ProcessInfo.processInfo.environment
      .merging(task.map { ["SLURM_ARRAY_TASK_ID": "\($0)"] } ?? [:]) { $1 }
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  @Test("An array of shards and a merge that waits for it, whatever the folder's name")
  func submit() throws {
    let path = try fakeCluster()
    let name = #"it's "one" $HOME %a \n folder"#
    let result = try lab.start(
      [
        "submit", "spec.json", "--engine", "slurm", "--array-size", "3", "--partition", "a b",
        "--time", "01:00:00", "--cpus-per-task", "1", "--sbatch=--account=lab", "--folder", name,
        "--db", name + "/all.sqlite",
      ], path: path
    ).wait()
    #expect(result.status == 0 && result.out == "41\n42\n", "\(result.err)")
    let calls = try calls()
    let folder = lab.path(name)
    #expect(
      calls == [
        [
          "--parsable", "--job-name=tca-lab", "--requeue", "--open-mode=append",
          "--chdir=\(folder)", "--output=shard-%a-of-3.log", "--array=1-3", "--signal=B:TERM@60",
          "--partition=a b", "--account=lab", "--time=01:00:00", "--exclusive",
          "--cpus-per-task=1", "\(folder)/array.sh",
        ],
        [
          "--parsable", "--job-name=tca-lab-merge", "--requeue", "--open-mode=append",
          "--chdir=\(folder)", "--output=merge.log", "--dependency=afterany:41",
          "--partition=a b", "--account=lab", "\(folder)/merge.sh",
        ],
      ])
    // A task that is requeued runs again; one that never ran is missing, and named.
    for task in [3, 1, 1] { #expect(try node(folder + "/array.sh", task: task) == 0) }
    #expect(try node(folder + "/merge.sh") == 4)
    #expect(try node(folder + "/array.sh", task: 2) == 0)
    #expect(try node(folder + "/merge.sh") == 0)
    #expect(try lab.run("run", "spec.json", "--db", "one.sqlite").status == 0)
    #expect(
      try lab.reproducible(name + "/all.sqlite") == lab.reproducible("one.sqlite"))
    #expect(try lab.runs(name + "/all.sqlite").count == 4)
  }

  @Test("A dry run prints both scripts, which are right, and does nothing")
  func dryRun() throws {
    let path = try fakeCluster()
    let result = try lab.start(
      ["submit", "spec.json", "--engine", "slurm", "--dry-run"], path: path
    ).wait()
    #expect(result.status == 0, "\(result.err)")
    #expect(!lab.exists("calls") && !lab.exists("results"))
    // As many shards as groups.
    #expect(
      result.out.contains("--array=1-4")
        && result.out.contains("--shard \"$SLURM_ARRAY_TASK_ID/4\""))
    #expect(result.out.contains("results/tiny-slurm/shard-4-of-4.sqlite --into "), "\(result.out)")
    #expect(result.out.contains("# sbatch --parsable"))
    try lab.write(result.out, to: "both.sh")
    let check = Process()
    check.executableURL = URL(fileURLWithPath: "/bin/bash")
    check.arguments = ["-n", lab.path("both.sh")]
    try check.run()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }

  @Test("Tasks without times share nodes")
  func shared() throws {
    try lab.writeSpec(rest: #", "metrics": ["quality"]"#)
    let quality = try lab.run("submit", "spec.json", "--engine", "slurm", "--dry-run")
    #expect(quality.status == 0 && !quality.out.contains("--exclusive"))
    try lab.writeSpec()
    let timed = try lab.run(
      "submit", "spec.json", "--engine", "slurm", "--dry-run", "--share-nodes")
    #expect(timed.status == 0 && !timed.out.contains("--exclusive"))
  }

  @Test("Without sbatch, or where it refuses, the message says what to do")
  func refused() throws {
    let without = try lab.start(
      ["submit", "spec.json", "--engine", "slurm"], path: lab.path("nowhere")
    ).wait()
    #expect(without.status == 2 && without.err.contains("\"sbatch\""), "\(without.err)")
    #expect(!lab.exists("results"))
    let path = try fakeCluster(answer: "echo 'sbatch: error: invalid partition' >&2; exit 1")
    let refused = try lab.start(["submit", "spec.json", "--engine", "slurm"], path: path).wait()
    #expect(refused.status == 2 && refused.out.isEmpty, "\(refused.out)")
    #expect(refused.err.contains("invalid partition") && refused.err.contains("exit code 1"))
    #expect(try calls().count == 1)
  }
}
