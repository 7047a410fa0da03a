import Foundation
import Testing

@testable import tca_lab

@Suite("What a shell completes", .serialized)
struct CompletionTests {
  @Test(
    "A script is made for each shell, and the shell itself accepts it",
    arguments: ["bash", "zsh", "fish"])
  func script(_ shell: String) throws {
    let lab = try Lab()
    let script = try lab.run("--generate-completion-script", shell)
    #expect(script.status == 0 && script.err.isEmpty)
    for word in ["strategies", "compare", "--experiment", "---completion"] {
      #expect(script.out.contains(word), "\(word)")
    }
    guard FileManager.default.isExecutableFile(atPath: "/bin/\(shell)") else { return }
    try lab.write(script.out, to: "script")
    let check = Process()
    check.executableURL = URL(fileURLWithPath: "/bin/\(shell)")
    check.arguments = ["-n", lab.path("script")]
    try check.run()
    check.waitUntilExit()
    #expect(check.terminationStatus == 0)
  }

  /// What bash is offered for the last word: it calls the program back as its script says.
  private func offered(_ lab: Lab, _ words: String...) throws -> [String] {
    try offered(lab, words)
  }

  private func offered(_ lab: Lab, _ words: [String]) throws -> [String] {
    func literal(_ text: String) -> String { "'\(text.replacing("'", with: #"'\''"#))'" }
    let line = (["tca-lab"] + words).joined(separator: " ")
    // What bash takes for the beginning of the word is without its quote.
    let last = words.last ?? ""
    let beginning = last.first.map("'\"".contains) == true ? String(last.dropFirst()) : last
    return try lines(
      of: """
        source <(./tca-lab --generate-completion-script bash)
        COMP_WORDS=(tca-lab \(words.map(literal).joined(separator: " ")))
        COMP_CWORD=\(words.count); COMP_LINE=\(literal(line)); COMP_POINT=\(line.count); COMP_TYPE=9
        PATH=".:$PATH"
        _tca-lab tca-lab \(literal(beginning)) \(literal(words.dropLast().last ?? "tca-lab")) 2>/dev/null
        printf '%s\\n' "${COMPREPLY[@]}"
        """, lab)
  }

  /// What a script for bash, run where `./tca-lab` is the program, writes.
  private func lines(of script: String, _ lab: Lab) throws -> [String] {
    let link = lab.path("tca-lab")
    if !FileManager.default.fileExists(atPath: link) {
      try FileManager.default.createSymbolicLink(
        atPath: link, withDestinationPath: Lab.program.path)
    }
    let bash = Process()
    bash.executableURL = URL(fileURLWithPath: "/bin/bash")
    bash.arguments = ["-c", script]
    bash.currentDirectoryURL = lab.folder
    let pipe = Pipe()
    bash.standardOutput = pipe
    try bash.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    bash.waitUntilExit()
    return String(decoding: data, as: UTF8.self).split(separator: "\n")
      .map { $0.trimmingCharacters(in: .whitespaces) }
  }

  @Test("bash is offered strategies, models, shipped texts and files")
  func offers() throws {
    let lab = try Lab()
    #expect(try offered(lab, "strategies", "show", "tca").contains("tca-plus"))
    #expect(!(try offered(lab, "strategies", "show", "tca").contains("snapkv")))
    #expect(try offered(lab, "models", "pull", "smol").contains("smollm2-135m-instruct"))
    let models = try offered(lab, "score", "--model", "")
    #expect(models.contains("smollm2-135m-instruct") && models.contains("model.gguf"))
    #expect(!models.contains("novel.txt"))
    let texts = try offered(lab, "calibrate", "--corpus", "")
    #expect(texts.contains("emma") && texts.contains("novel.txt"))
  }

  @Test("No name of a file or an experiment becomes a command of the shell")
  func names() throws {
    let lab = try Lab()
    try lab.write("", to: "$(touch PWNED).gguf")
    try lab.write("", to: "`touch PWNED`.txt")
    #expect(try offered(lab, "score", "--model", "").contains("model.gguf"))
    #expect(try offered(lab, "calibrate", "--corpus", "").contains("novel.txt"))
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["memory"]"#)
    let spec = try lab.read("spec.json")
    try lab.write(
      spec.replacing(
        "\"name\": \"tiny\", \"models\"", with: "\"name\": \"$(touch PWNED)\", \"models\""),
      to: "hostile.json")
    for name in ["spec.json", "hostile.json"] {
      #expect(try lab.run("run", name, "--db", "mine.sqlite").status == 0)
    }
    #expect(try offered(lab, "report", "--db", "mine.sqlite", "") == ["tiny"])
    #expect(!lab.exists("PWNED"))
  }

  @Test("Experiments are those of the database on the command line; without one nothing is offered")
  func experiments() throws {
    let lab = try Lab()
    #expect(try offered(lab, "report", "").filter { $0 == "tiny" }.isEmpty)
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["memory"]"#)
    let run = try lab.run("run", "spec.json", "--db", "mine.sqlite")
    #expect(run.status == 0, "\(run.err)")
    #expect(try offered(lab, "report", "--db", "mine.sqlite", "").contains("tiny"))
    #expect(try offered(lab, "compare", "--db", "mine.sqlite", "--experiment", "t") == ["tiny"])
  }

  /// Two windows of one strategy, and two compositions that differ in a part.
  private func labelled() throws -> Lab {
    let lab = try Lab()
    let windows = #"{"name": "streaming-llm", "sinks": 4, "localWindow": [16, 32]}"#
    let composed =
      #"{"name": "composed", "prefill": {"name": "minference"}, "retention": {"name": "streaming-llm", "sinks": [2, 4], "localWindow": 32}}"#
    try lab.writeSpec(strategies: [windows, composed], rest: #", "metrics": ["memory"]"#)
    let run = try lab.run("run", "spec.json", "--db", "mine.sqlite")
    #expect(run.status == 0, "\(run.err)")
    return lab
  }

  private static let composed = [2, 4].map {
    "composed prefill=minference retention=streaming-llm(sinks=\($0))"
  }

  @Test("compare completes the labels of the experiment given")
  func labels() throws {
    let lab = try labelled()
    let other = try lab.read("spec.json").replacing(
      "\"name\": \"tiny\", \"models\"", with: "\"name\": \"other\", \"models\""
    ).replacing("[16, 32]", with: "[8, 16]")
    try lab.write(other, to: "other.json")
    #expect(try lab.run("run", "other.json", "--db", "mine.sqlite").status == 0)
    let mine = ["compare", "--db", "mine.sqlite", "--experiment", "tiny"]
    #expect(
      try offered(lab, mine + ["'streaming-llm "]) == [
        "streaming-llm localWindow=16", "streaming-llm localWindow=32",
      ])
    #expect(try offered(lab, mine + ["full", "\"comp"]) == Self.composed + ["composed"])
    #expect(try offered(lab, mine + ["'streaming-llm localWindow=8"]) == [])
    #expect(
      try offered(lab, "compare", "--db", "mine.sqlite", "'streaming-llm localWindow=8")
        == ["streaming-llm localWindow=8"])
    #expect(try offered(lab, "compare", "'str") == [])
  }

  @Test("A label that is completed without quotes is one word of the shell")
  func oneWord() throws {
    let lab = try labelled()
    let mine = ["compare", "--db", "mine.sqlite", "--experiment", "tiny"]
    #expect(
      try offered(lab, mine + ["str"]) == [
        #"streaming-llm\ localWindow=16"#, #"streaming-llm\ localWindow=32"#, "streaming-llm",
      ])
    for (label, offered) in zip(Self.composed, try offered(lab, mine + ["comp"])) {
      #expect(try lines(of: "printf '%s\\n' \(offered)", lab) == [label])
    }
  }

  @Test(
    "zsh and fish, which quote for themselves, get labels as they are", arguments: ["zsh", "fish"])
  func quotingShells(_ shell: String) throws {
    let lines = try lines(
      of: """
        SAP_SHELL=\(shell) ./tca-lab ---completion compare -- positional@0 4 0 \
        tca-lab compare --db=mine.sqlite --experiment=tiny ''
        """, labelled())
    #expect(lines.contains("streaming-llm localWindow=16"), "\(lines)")
    #expect(Set(lines).isSuperset(of: Self.composed), "\(lines)")
  }

  @Test("No label of a database becomes a command of the shell")
  func hostileLabels() throws {
    let lab = try Lab()
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["memory"]"#)
    #expect(try lab.run("run", "spec.json", "--db", "mine.sqlite").status == 0)
    for label in [
      "$(touch PWNED)", "`touch PWNED`", "x;touch PWNED", "<(touch PWNED)", "a\ntouch PWNED",
      "\"$(touch PWNED)\"", "\\$(touch PWNED)", "${x:=$(touch PWNED)}", "''touch PWNED", "~", "*",
    ] {
      let quoted = label.replacing("'", with: "''")
      let sql = Process()
      sql.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      sql.arguments = [
        "sqlite3", lab.path("mine.sqlite"),
        "update plan_cell set label = '\(quoted)' where label != 'full'",
      ]
      try sql.run()
      sql.waitUntilExit()
      #expect(sql.terminationStatus == 0)
      for word in ["", "'", "\""] {
        let offered = try offered(lab, "compare", "--db", "mine.sqlite", word)
        #expect(offered.filter { !$0.hasPrefix("-") } == ["full", "streaming-llm"], "\(label)")
      }
    }
    #expect(!lab.exists("PWNED"))
  }
}
