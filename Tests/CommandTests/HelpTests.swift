import Foundation
import Testing

@Suite("Help and the command line", .serialized)
struct HelpTests {
  static let commands = [
    "run", "submit", "merge", "plan", "validate", "report", "compare", "export", "calibrate",
    "models", "models list",
    "models pull", "models inspect", "strategies", "strategies list", "strategies show",
    "strategies check", "generate", "score", "tokenize", "attend",
  ]

  @Test("Help of every command goes to stdout and shows an example of it", arguments: commands)
  func help(_ command: String) throws {
    let lab = try Lab()
    let words = command.split(separator: " ").map(String.init)
    let result = try lab.start(words + ["--help"]).wait()
    #expect(result.status == 0 && result.err.isEmpty)
    #expect(result.out.contains("OVERVIEW:") && result.out.contains("USAGE: tca-lab \(command)"))
    #expect(result.out.contains("Example: tca-lab \(command)"), "\(result.out)")
  }

  @Test("The program's own help names every command and every exit code")
  func root() throws {
    let result = try Lab().run("--help")
    #expect(result.status == 0)
    for command in Self.commands where !command.contains(" ") {
      #expect(result.out.contains("\n  \(command) "), "\(command)")
    }
    for code in ["0 done", "1 ", "2 ", "3 ", "4 ", "130", "143"] {
      #expect(result.out.contains(code), "\(code)")
    }
    #expect(result.out.contains("tca-lab run experiments/quickstart.json"))
    let version = try Lab().run("--version")
    #expect(version.status == 0 && version.out.contains("0.1.0"))
  }

  @Test(
    "A wrong command line has code 2, a message on stderr and nothing on stdout",
    arguments: [
      ["rnu"], ["run"], ["run", "a.json", "--tread", "2"], ["score", "--model"],
      ["score", "--model", "model.gguf"], ["score", "--model", "model.gguf", "--top", "-1"],
      ["tokenize", "--model", "model.gguf"],
      ["tokenize", "--model", "model.gguf", "--text", "a", "--text-file", "novel.txt"],
      ["generate", "--model", "model.gguf", "--prompt", "a", "--max-tokens", "0"],
      ["generate", "--model", "model.gguf", "--prompt", ""],
      ["generate", "--model", "model.gguf", "--prompt", "a", "--threads", "0"],
      ["run", "spec.json", "--shard", "0/4"], ["run", "spec.json", "--shard", "5/4"],
      ["run", "spec.json", "--shard", "x"], ["merge", "--into", "a.sqlite"], ["merge", "a.sqlite"],
      ["submit", "spec.json"], ["submit", "spec.json", "--engine", "pbs"],
      ["submit", "spec.json", "--engine", "slurm", "--array-size", "0"],
      ["submit", "spec.json", "--engine", "slurm", "--cpus-per-task", "0"],
      ["submit", "spec.json", "--engine", "slurm", "--sbatch", "x"],
      ["report", "--format", "pdf"], ["report", "a", "b", "--output", "x"],
      ["strategies", "show", "tcaa"], ["run", "nowhere.json"],
      ["score", "--model", "model.gguf", "--text-file", "novel.txt", "--strategy", "tcaa"],
      [
        "attend", "--input", "x", "--output", "y", "--strategy",
        #"{"name": "streaming-llm", "sink": 4}"#,
      ],
      ["calibrate", "--model", "model.gguf", "--strategy", #"{"name": "full"}"#, "--output", "x"],
    ])
  func usage(_ arguments: [String]) throws {
    let lab = try Lab()
    let result = try lab.start(arguments).wait()
    #expect(result.status == 2, "\(result.err)")
    #expect(!result.err.isEmpty && result.out.isEmpty, "\(result.out)")
    #expect(!result.err.contains("Fatal error"), "\(result.err)")
  }

  @Test("A word that is nearly right gets a suggestion")
  func suggestions() throws {
    let lab = try Lab()
    #expect(try lab.run("rnu").err.contains("Unexpected argument 'rnu'"))
    #expect(try lab.run("strategies", "show", "streaming-lm").err.contains("\"streaming-llm\"?"))
    let pull = try lab.run("models", "pull", "smollm2-135m")
    #expect(pull.err.contains("smollm2-135m-instruct"), "\(pull.err)")
  }
}
