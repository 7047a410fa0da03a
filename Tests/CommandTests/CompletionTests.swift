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
    let line = (["tca-lab"] + words).joined(separator: " ")
    let driver = """
      source <(./tca-lab --generate-completion-script bash)
      COMP_WORDS=(tca-lab \(words.map { "'\($0)'" }.joined(separator: " ")))
      COMP_CWORD=\(words.count); COMP_LINE='\(line)'; COMP_POINT=\(line.count); COMP_TYPE=9
      PATH=".:$PATH"
      _tca-lab tca-lab '\(words.last ?? "")' '\(words.dropLast().last ?? "tca-lab")' 2>/dev/null
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let link = lab.path("tca-lab")
    if !FileManager.default.fileExists(atPath: link) {
      try FileManager.default.createSymbolicLink(
        atPath: link, withDestinationPath: Lab.program.path)
    }
    let bash = Process()
    bash.executableURL = URL(fileURLWithPath: "/bin/bash")
    bash.arguments = ["-c", driver]
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
}
