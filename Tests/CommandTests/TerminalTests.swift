import Foundation
import Testing

@testable import tca_lab

@Suite("What reaches a terminal", .serialized)
struct TerminalTests {
  @Test("Control characters of a path show as escapes in messages")
  func controlCharacters() throws {
    let lab = try Lab()
    let missing = try lab.run("validate", "a\u{1B}[2J\u{9B}31m.json")
    #expect(missing.status == 2 && missing.err.contains("a\\u001b[2J\\u009b31m.json"))
    #expect(!missing.err.unicodeScalars.contains("\u{1B}"))
  }

  @Test(
    "Colours are only on a terminal, and never against NO_COLOR or on a dumb one",
    arguments: [
      (true, [:], true), (true, ["NO_COLOR": "1"], false), (true, ["NO_COLOR": "0"], false),
      (true, ["NO_COLOR": ""], true), (true, ["TERM": "dumb"], false),
      (true, ["TERM": "xterm-256color"], true), (false, [:], false),
    ] as [(Bool, [String: String], Bool)])
  func colours(isTerminal: Bool, environment: [String: String], hasColours: Bool) {
    let terminal = Terminal(STDERR_FILENO, isTerminal: isTerminal, environment: environment)
    #expect(terminal.hasColours == hasColours)
    #expect(terminal.styled("no", .red) == (hasColours ? "\u{1B}[31mno\u{1B}[0m" : "no"))
  }

  /// Runs the program on a terminal of its own, 60 columns wide: all that reaches the screen.
  private func screen(
    _ lab: Lab, _ command: String, environment: String = "TERM=xterm"
  ) throws -> String {
    let script = Process()
    script.executableURL = URL(fileURLWithPath: "/usr/bin/script")
    script.arguments = [
      "-qec", "stty cols 60; env -u NO_COLOR \(environment) '\(Lab.program.path)' \(command)",
      "/dev/null",
    ]
    script.currentDirectoryURL = lab.folder
    script.standardInput = FileHandle.nullDevice
    let pipe = Pipe()
    script.standardOutput = pipe
    try script.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    script.waitUntilExit()
    return String(decoding: data, as: UTF8.self)
  }

  @Test("On a terminal an error is red; not with NO_COLOR, nor where it is dumb")
  func redErrors() throws {
    let lab = try Lab()
    let red = "\u{1B}[31mtca-lab: "
    #expect(try screen(lab, "validate nowhere.json").contains(red))
    for variable in ["NO_COLOR=1 TERM=xterm", "TERM=dumb"] {
      let shown = try screen(lab, "validate nowhere.json", environment: variable)
      // What clears a line is no colour.
      #expect(shown.contains("tca-lab: ") && !shown.contains(/\u{1B}\[[0-9;]*m/), "\(shown)")
    }
    #expect(!(try lab.run("validate", "nowhere.json").err.contains("\u{1B}")))
  }

  @Test("Progress stays on one line of the terminal and is gone before anything else is written")
  func progress() throws {
    let lab = try Lab()
    try lab.writeSpec(contexts: "512")
    let shown = try screen(lab, "run spec.json")
    let pieces = shown.split(separator: "\r\u{1B}[K").map(String.init)
    let progress = pieces.filter { $0.hasPrefix("[") }
    #expect(progress.count > 3)
    for line in progress {
      #expect(line.count < 60 && !line.unicodeScalars.contains("\n"), "\(line)")
      #expect(line.contains(" %"), "\(line)")
    }
    for phase in ["loading", "calibrating", "prefill", "decode", "timing"] {
      #expect(progress.contains { $0.contains(phase) }, "\(phase): \(progress)")
    }
    // Every other line begins where the progress was cleared, or after another line.
    for piece in pieces where !piece.hasPrefix("[") { #expect(!piece.contains("[ ")) }
    #expect(shown.contains("finished after"))
  }

  @Test("Without a terminal a short run writes no progress and no control sequence")
  func noTerminal() throws {
    let lab = try Lab()
    try lab.writeSpec()
    let run = try lab.run("run", "spec.json")
    #expect(run.status == 0 && !run.err.contains(" left") && !run.err.contains(" %"), "\(run.err)")
    #expect(!run.err.contains("\u{1B}") && !run.err.contains("\r"))
  }

  @Test("The verdict of a comparison is bold on a terminal, and says that it stands alone")
  func verdict() throws {
    let lab = try Lab()
    try lab.writeSpec(
      tasks: [
        #"{"name": "perplexity", "corpus": "novel.txt", "protocol": "continuation", "samples": 8}"#
      ],
      rest: #", "metrics": ["quality", "memory"]"#)
    #expect(try lab.run("run", "spec.json").status == 0)
    let plain = try lab.run("compare", "full", "tca").out
    #expect(plain.contains("\nVerdict\n\nOf this pair alone, not corrected for others:\n\n- "))
    #expect(!plain.contains("\u{1B}"))
    let shown = try screen(lab, "compare full tca")
    #expect(shown.contains("\u{1B}[1m- tiny at 128 tokens"), "\(shown)")
    #expect(shown.components(separatedBy: "\u{1B}[1m").count == 2)
    // The terminal's own width, without one that of 80 columns.
    let lines = shown.replacing(/\u{1B}\[[0-9;]*m/, with: "").split(whereSeparator: \.isNewline)
    #expect(lines.allSatisfy { $0.count <= 60 }, "\(shown)")
    #expect(plain.split(separator: "\n").contains { $0.count > 60 && $0.count <= 80 })
  }
}
