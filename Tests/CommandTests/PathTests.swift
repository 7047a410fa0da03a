import Foundation
import Records
import Testing

@Suite("Paths", .serialized)
struct PathTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  private func files() throws -> Set<String> {
    Set(try FileManager.default.subpathsOfDirectory(atPath: lab.folder.path)).filter {
      !$0.hasSuffix(".out") && !$0.hasSuffix(".err")
    }
  }

  private func sql(_ statements: String, in database: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", lab.path(database), statements]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test("Another program's database is refused by every command in every spelling, and unchanged")
  func foreignDatabase() throws {
    try lab.writeSpec(strategies: [Lab.streaming])
    try sql("create table notes(x); insert into notes values('mine')", in: "notes.sqlite")
    let notes = lab.folder.appendingPathComponent("notes.sqlite")
    let before = (try Data(contentsOf: notes), try files())
    for spelling in ["notes.sqlite", "file:notes.sqlite", "notes.sqlite/", "notes.sqlite/."] {
      for command in [
        ["run", "spec.json"], ["plan", "spec.json"], ["report"], ["compare", "1", "2"],
      ] {
        let result = try lab.start(command + ["--db", spelling]).wait()
        #expect(result.status == 4, "\(command) \(spelling): \(result.err)")
        #expect(result.err.contains("\"\(spelling)\""), "\(command) \(spelling): \(result.err)")
      }
    }
    #expect(try Data(contentsOf: notes) == before.0)
    #expect(try files() == before.1)
  }

  @Test(
    "A URL, a folder's spelling and another user's home are refused by name in every command",
    arguments: ["file:", "FILE:", "https://", "s3://", "~nobody/", "/"])
  func refused(spelling: String) throws {
    func spelt(_ name: String) -> String {
      spelling == "/" ? name + spelling : spelling + name
    }
    try lab.writeSpec()
    try lab.write("[1, 2, 3]", to: "ids.json")
    let before = try files()
    let model = ["--model", "model.gguf"]
    let commands = [
      ["validate", spelt("spec.json")], ["plan", spelt("spec.json")], ["run", spelt("spec.json")],
      ["models", "inspect", spelt("model.gguf")],
      ["tokenize", "--text", "a", "--model", spelt("model.gguf")],
      ["tokenize", "--text-file", spelt("novel.txt")] + model,
      ["score", "--tokens-file", spelt("ids.json")] + model,
      ["generate", "--prompt-file", spelt("novel.txt")] + model,
      ["generate", "--prompt", "a", "--strategy", "@" + spelt("spec.json")] + model,
      ["calibrate", "--corpus", spelt("novel.txt"), "--strategy", Lab.tca, "--output", "c.json"]
        + model,
      ["attend", "--input", spelt("a.safetensors"), "--output", "b.safetensors"],
      ["attend", "--input", "a.safetensors", "--output", spelt("b.safetensors")],
      ["bench", "--check", spelt("spec.json")] + model,
      ["bench", "--against", "llama.cpp=" + spelt("model.gguf")] + model,
    ]
    for command in commands {
      let result = try lab.start(command).wait()
      #expect([2, 3].contains(result.status), "\(command): \(result.err)")
      let reason = spelling == "/" ? "a file is needed" : spelling == "~nobody/" ? "~" : "a URL"
      #expect(result.err.contains(reason), "\(command): \(result.err)")
    }
    #expect(try files() == before)
  }

  @Test("A spec's paths mean what those of the command line mean")
  func specPaths() throws {
    func corpus(_ name: String) -> String {
      #"{"name": "perplexity", "corpus": "\#(name)", "protocol": "continuation"}"#
    }
    for (name, reason) in [
      ("file:novel.txt", "a URL"), ("http://a/b", "is a URL"), ("novel.txt/", "a file is needed"),
    ] {
      try lab.writeSpec(
        strategies: [Lab.streaming], tasks: [corpus(name)], model: "file:model.gguf")
      let result = try lab.run("validate", "spec.json")
      #expect(result.status == 2, "\(result.err)")
      #expect(result.err.contains("$.tasks[0].corpus") && result.err.contains(reason))
      #expect(result.err.contains("$.models[0].path") && result.err.contains("./file:model.gguf"))
    }
    try lab.writeSpec(
      strategies: [Lab.streaming], tasks: [corpus("~/novel.txt")], model: "~/model.gguf")
    let result = try lab.start(["validate", "spec.json"], home: lab.folder.path).wait()
    #expect(result.status == 0, "\(result.err)")
  }

  @Test("~/ is the home folder for a spec, a database and a report alike")
  func home() throws {
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["quality"]"#)
    for arguments in [
      ["run", "~/spec.json", "--db", "~/a.sqlite"],
      ["report", "tiny", "--db", "~/a.sqlite", "--output", "~/shown"],
    ] {
      let result = try lab.start(arguments, home: lab.folder.path).wait()
      #expect(result.status == 0, "\(arguments): \(result.err)")
    }
    #expect(lab.exists("a.sqlite") && lab.exists("shown/report.md"))
    #expect(!lab.exists("~"))
  }

  @Test("A database behind a symbolic link is the one that it leads to")
  func linkedDatabase() throws {
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["memory"]"#)
    try FileManager.default.createDirectory(
      atPath: lab.path("disk"), withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: lab.path("link.sqlite"), withDestinationPath: "disk/real.sqlite")
    let run = try lab.run("run", "spec.json", "--db", "link.sqlite")
    #expect(run.status == 0 && lab.exists("disk/real.sqlite"), "\(run.err)")
    let merge = try lab.run("merge", "disk/real.sqlite", "--into", "link.sqlite")
    #expect(merge.out.contains("the target itself"), "\(merge.out)")
    #expect(try lab.results("link.sqlite").rows.count == lab.results("disk/real.sqlite").rows.count)
  }

  @Test("Bytes that are no UTF-8 are refused, not repaired into another name")
  func notText() throws {
    let bash = Process()
    bash.executableURL = URL(fileURLWithPath: "/bin/bash")
    bash.arguments = ["-c", "'\(Lab.program.path)' validate $'a\\xff.json'"]
    let err = Pipe()
    bash.standardError = err
    try bash.run()
    let said = String(
      decoding: err.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    bash.waitUntilExit()
    #expect(bash.terminationStatus == 2 && said.contains("argument 2 is no UTF-8"), "\(said)")
  }

  @Test("A database that cannot be looked up is not taken for one that is not there")
  func unreachable() throws {
    try lab.writeSpec(strategies: [Lab.streaming])
    try lab.write("x", to: "file")
    for command in [["plan", "spec.json"], ["report"]] {
      let result = try lab.start(command + ["--db", "file/lab.sqlite"]).wait()
      #expect(
        result.status == 4 && result.err.contains("Not a directory"), "\(command): \(result.err)")
    }
  }

  @Test("A name that a database holds leads nothing out of the folder of reports and exports")
  func hostileNames() throws {
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["quality"]"#)
    #expect(try lab.run("run", "spec.json", "--db", "results/a.sqlite").status == 0)
    let before = try files()
    for name in ["../escaped", "..", ".", "", "/tmp/tca-lab-escaped", "a/../../b", "a/b"] {
      try sql("update experiment set name = '\(name)'", in: "results/a.sqlite")
      for command in [["report"], ["report", name], ["export", name]] {
        let result = try lab.start(command + ["--db", "results/a.sqlite"]).wait()
        #expect(result.status == 2, "\(command): \(result.err)")
        #expect(result.err.contains("\"\(name)\" is the name of an experiment"), "\(result.err)")
      }
      let named = try lab.run("report", name, "--db", "results/a.sqlite", "--output", "out")
      #expect(named.status == 0, "\(named.err)")
      try FileManager.default.removeItem(atPath: lab.path("out"))
    }
    // SQLite keeps two files beside a database that is read.
    let left = try files().subtracting(["results/a.sqlite-wal", "results/a.sqlite-shm"])
    #expect(left == before)
    #expect(!FileManager.default.fileExists(atPath: "/tmp/tca-lab-escaped"))
  }

  @Test(
    "An experiment cannot be named like a database, whose place its report would need",
    arguments: ["tca-lab.sqlite", "Other.SQLite", "tca-lab.sqlite-wal"])
  func name(_ name: String) throws {
    try lab.writeSpec()
    try lab.write(
      lab.read("spec.json").replacingOccurrences(
        of: #""name": "tiny", "models""#, with: "\"name\": \"\(name)\", \"models\""),
      to: "spec.json")
    let result = try lab.run("validate", "spec.json")
    #expect(result.status == 2 && result.err.contains("$.name"), "\(result.err)")
  }
}
