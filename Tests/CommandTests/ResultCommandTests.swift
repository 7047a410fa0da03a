import Foundation
import JSON
import Testing

@Suite("Exports, verdicts and the leaderboard", .serialized)
struct ResultCommandTests {
  private let lab: Lab

  init() throws { lab = try Lab() }

  /// Measures a small experiment under this name.
  private func measure(_ name: String, tasks: String = "") throws {
    try lab.writeSpec(
      strategies: [Lab.streaming, #"{"name": "tova", "budget": {"meanKvBytes": [0.5, 0.25]}}"#],
      tasks: [
        #"{"name": "perplexity", "corpus": ["novel.txt", "persuasion", "emma", "kjv"], "protocol": "continuation", "samples": 2, "scoredTokens": 16, "decodeTokens": 4}"#
      ], rest: #", "metrics": ["quality", "memory"]"#)
    try lab.write(
      try lab.read("spec.json").replacingOccurrences(
        of: "\"tiny\", \"models\"", with: "\"\(name)\", \"models\""),
      to: "spec.json")
    let run = try lab.run("run", "spec.json")
    #expect(run.status == 0, "\(run.err)")
  }

  @Test("An export stands in a folder of its own; what somebody changed there is left alone")
  func export() throws {
    try measure("tiny")
    let export = try lab.run("export", "tiny")
    #expect(export.status == 0, "\(export.err)")
    let files = export.out.split(separator: "\n").map(String.init)
    for name in ["README.md", "dictionary.json", "notebook.ipynb", "comparison.csv", "cluster.csv"]
    {
      #expect(
        files.contains("notebooks-export/tiny/\(name)")
          && lab.exists("notebooks-export/tiny/\(name)"))
    }
    let notebook = try lab.read("notebooks-export/tiny/notebook.ipynb")
    let report = try lab.run("report", "tiny", "--format", "csv")
    #expect(report.status == 0)
    #expect(
      try lab.read("notebooks-export/tiny/cluster.csv") == lab.read("results/tiny/cluster.csv"))

    // Its own files it replaces, a changed one it does not.
    #expect(try lab.run("export", "tiny").status == 0)
    try lab.write(notebook + " ", to: "notebooks-export/tiny/notebook.ipynb")
    let changed = try lab.run("export", "tiny")
    #expect(changed.status == 2 && changed.out.isEmpty)
    #expect(
      changed.err.contains("notebook.ipynb") && changed.err.contains("--overwrite"),
      "\(changed.err)")
    #expect(!changed.err.contains("cluster.csv"), "\(changed.err)")
    #expect(try lab.read("notebooks-export/tiny/notebook.ipynb") == notebook + " ")
    #expect(try lab.run("export", "tiny", "--overwrite").status == 0)
    #expect(try lab.read("notebooks-export/tiny/notebook.ipynb") == notebook)
  }

  @Test(
    "Foreign files, another experiment's folder and a damaged manifest are no reason to overwrite")
  func foreignFiles() throws {
    try measure("tiny")
    try measure("other")
    try FileManager.default.createDirectory(
      atPath: lab.path("mine"), withIntermediateDirectories: true)
    try lab.write("my own notes", to: "mine/README.md")
    let foreign = try lab.run("export", "tiny", "--output", "mine")
    #expect(foreign.status == 2 && foreign.err.contains("README.md"), "\(foreign.err)")
    #expect(try lab.read("mine/README.md") == "my own notes")
    #expect(!lab.exists("mine/cluster.csv"))

    #expect(try lab.run("export", "tiny", "--output", "out").status == 0)
    let other = try lab.run("export", "other", "--output", "out")
    #expect(other.status == 2 && other.err.contains("the export of \"tiny\""), "\(other.err)")
    // A manifest that leads elsewhere, and names what is not there any more.
    try lab.write("kept", to: "kept.txt")
    let digest = try #require(
      try JSONValue(parsing: lab.read("out/export.json"))["files"]?["run.csv"])
    let old = try lab.read("out/run.csv")
    try lab.write(old, to: "out/gone.csv")
    try lab.write(
      JSONValue.object([
        "experiment": "tiny",
        "files": .object(["../kept.txt": digest, "gone.csv": digest, "run.csv": digest]),
      ]).canonicalText, to: "out/export.json")
    let again = try lab.run("export", "tiny", "--output", "out")
    #expect(again.status == 0, "\(again.err)")
    #expect(lab.exists("kept.txt") && !lab.exists("out/gone.csv"))
    // Somebody else's, or damaged.
    for manifest in ["{", #"{"my": "own data"}"#] {
      try lab.write(manifest, to: "out/export.json")
      let kept = try lab.run("export", "tiny", "--output", "out")
      #expect(kept.status == 2 && kept.err.contains("export.json"), "\(kept.err)")
      #expect(try lab.read("out/export.json") == manifest)
    }
    #expect(try lab.run("export", "tiny", "--output", "out", "--overwrite").status == 0)
    try lab.write("x", to: "out/comparison.csv")
    #expect(try lab.run("export", "tiny", "--output", "out").status == 2)
    try lab.write("x", to: "file")
    let file = try lab.run("export", "tiny", "--output", "file")
    #expect(file.status == 3 && file.err.contains("\"file\" cannot be written"), "\(file.err)")
    // Pipes that nobody writes into: they are not waited for.
    try FileManager.default.createDirectory(
      atPath: lab.path("pipes"), withIntermediateDirectories: true)
    for name in ["export.json", "README.md"] {
      #expect(mkfifo(lab.path("pipes/\(name)"), 0o600) == 0)
    }
    let pipes = try lab.run("export", "tiny", "--output", "pipes")
    #expect(
      pipes.status == 2 && pipes.err.contains("README.md, export.json"), "\(pipes.err)")
  }

  @Test("An output that cannot be written has code 3, whatever the command")
  func unwritable() throws {
    try measure("leaderboard")
    try lab.write("x", to: "file")
    for command in [
      ["report", "leaderboard", "--output", "file/x"],
      ["report", "--leaderboard", "--output", "file/x.md"],
      ["export", "leaderboard", "--output", "file/x"],
    ] {
      let result = try lab.start(command).wait()
      #expect(result.status == 3, "\(command): \(result.err)")
      #expect(result.err.contains("cannot be written: "), "\(command): \(result.err)")
    }
    let run = try lab.run("run", "spec.json", "--db", "file/x.sqlite")
    #expect(run.status == 4, "\(run.err)")
  }

  @Test("An experiment that is named twice is reported once; what is printed can be pasted")
  func once() throws {
    try measure("tiny")
    let report = try lab.run("report", "tiny", "tiny", "--format", "csv", "--output", "a folder")
    #expect(report.status == 0, "\(report.err)")
    #expect(report.err.components(separatedBy: "written to").count == 2, "\(report.err)")
    let export = try lab.run("export", "tiny", "--output", "a folder/b")
    #expect(export.err.contains("jupyter notebook 'a folder/b/notebook.ipynb'"), "\(export.err)")
  }

  @Test("A strategy that is not there is answered with the nearest label")
  func unknownStrategy() throws {
    try measure("tiny")
    for (name, near) in [
      ("TOVA", "tova"), ("tova meanKvBytes=0.51", "tova meanKvBytes=0.5"),
    ] {
      let result = try lab.run("compare", name, "full")
      #expect(result.status == 2 && result.out.isEmpty)
      #expect(
        result.err.contains("Did you mean \"\(near)\" by \"\(name)\"?"), "\(result.err)")
    }
  }

  @Test("An experiment that is not there is answered with those that are, and the nearest")
  func unknown() throws {
    try measure("kv-budget")
    let unknown = try lab.run("export", "kv-buget")
    #expect(unknown.status == 2 && unknown.out.isEmpty)
    #expect(unknown.err.contains("Did you mean \"kv-budget\"?"), "\(unknown.err)")
    #expect(!lab.exists("notebooks-export"))
    let up = try lab.run("export", "..")
    #expect(up.status == 2)
    #expect(try lab.run("export", "kv-budget", "--db", "nowhere.sqlite").status == 4)
  }

  @Test(
    "A comparison begins with its verdict, and fails where a condition holds or cannot be judged")
  func verdict() throws {
    try measure("tiny")
    let (first, second) = ("tova meanKvBytes=0.5", "tova meanKvBytes=0.25")
    let compare = try lab.run("compare", first, second)
    #expect(compare.status == 0, "\(compare.err)")
    let lines = compare.out.split(separator: "\n").map(String.init)
    #expect(Array(lines[1...3]) == ["A: \(first)", "B: \(second)", "Verdict"], "\(compare.out)")
    #expect(lines[4] == "Of this pair alone, not corrected for others:")
    #expect(lines[5].hasPrefix("- tiny at 128 tokens, perplexity/continuation, 4 together: "))
    #expect(compare.out.contains("mean KV bytes differ: A"))

    let holds = try lab.run("compare", first, second, "--fail-if", "bytes<0.9")
    #expect(holds.status == 1 && holds.out == compare.out)
    #expect(
      holds.err.contains("--fail-if 'bytes<0.9' holds for tiny at 128 tokens"), "\(holds.err)")
    let not = try lab.run(
      "compare", first, second, "--fail-if", "bytes>1.1", "--fail-if", "difference>9")
    #expect(not.status == 0 && not.err.isEmpty, "\(not.err)")
    let unknown = try lab.run("compare", first, second, "--fail-if", "score<0")
    #expect(unknown.status == 1 && unknown.err.contains("cannot be judged"), "\(unknown.err)")
    for condition in ["wrose", "difference>x", ""] {
      let refused = try lab.run("compare", first, second, "--fail-if", condition)
      #expect(refused.status == 2 && refused.out.isEmpty, "\(refused.err)")
    }
  }

  @Test("The leaderboard is a page of its own, which replaces itself and nothing else")
  func leaderboard() throws {
    try measure("tiny")
    let format = try lab.run("report", "--leaderboard", "--format", "csv")
    #expect(format.status == 2 && format.err.contains("allowed is markdown"), "\(format.err)")
    let none = try lab.run("report", "--leaderboard")
    #expect(none.status == 2 && none.err.contains("\"leaderboard\""), "\(none.err)")
    try measure("leaderboard")
    for _ in 1...2 {
      let page = try lab.run("report", "--leaderboard")
      #expect(page.status == 0 && page.out.isEmpty, "\(page.err)")
      #expect(page.err.contains("\"leaderboard-8k\"") && page.err.contains("results/README.md"))
    }
    let text = try lab.read("results/README.md")
    #expect(text.hasPrefix("<!-- Written by tca-lab report --leaderboard"))
    #expect(text.contains("## tiny at 128 tokens") && text.contains("| tova meanKvBytes=0.25"))
    #expect(try lab.run("report", "--leaderboard", "--output", "-").out == text)
    try lab.write("mine", to: "notes.md")
    let foreign = try lab.run("report", "--leaderboard", "--output", "notes.md")
    #expect(foreign.status == 2 && foreign.err.contains("left alone"), "\(foreign.err)")
    #expect(try lab.read("notes.md") == "mine")
    #expect(mkfifo(lab.path("pipe.md"), 0o600) == 0)
    let pipe = try lab.run("report", "--leaderboard", "--output", "pipe.md")
    #expect(pipe.status == 2 && pipe.err.contains("left alone"), "\(pipe.err)")
    #expect(try lab.run("report", "--leaderboard", "tiny").status == 2)
  }

  @Test("LaTeX is a format like the others")
  func latex() throws {
    try measure("tiny")
    let report = try lab.run("report", "tiny", "--format", "latex")
    #expect(report.status == 0, "\(report.err)")
    #expect(try lab.read("results/tiny/report.tex").contains(#"\begin{tabular}"#))
  }
}
