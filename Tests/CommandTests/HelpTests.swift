import ArgumentParser
import Foundation
import ModelLibrary
import Planning
import Testing

@testable import tca_lab

@Suite("Help and the command line", .serialized)
struct HelpTests {
  /// Every command and subcommand, by its words.
  static let commands = below(TCALab.self, []).map(\.words)

  private static func below(
    _ command: any ParsableCommand.Type, _ words: [String]
  ) -> [(words: String, type: any ParsableCommand.Type)] {
    command.configuration.subcommands.flatMap { type in
      let words = words + [type._commandName]
      return [(words.joined(separator: " "), type)] + below(type, words)
    }
  }

  @Test("Help of every command goes to stdout and shows an example of it", arguments: commands)
  func help(_ command: String) throws {
    let lab = try Lab()
    let words = command.split(separator: " ").map(String.init)
    let result = try lab.start(words + ["--help"]).wait()
    #expect(result.status == 0 && result.err.isEmpty)
    #expect(result.out.contains("OVERVIEW:") && result.out.contains("USAGE: tca-lab \(command)"))
    #expect(result.out.contains("Example: tca-lab"), "\(result.out)")
  }

  /// The command lines that a help text shows, as a shell splits them.
  private static func examples(_ discussion: String) throws -> [[String]] {
    let marked = CommandLines.lines(of: discussion).compactMap { line -> String? in
      let line = line.trimmingCharacters(in: .whitespaces)
      if line.hasPrefix("Example: ") { return String(line.dropFirst("Example: ".count)) }
      return line.hasPrefix("tca-lab ") ? line : nil
    }
    return marked.map(CommandLines.words)
  }

  @Test("Every example of every help text is a command line that the program takes")
  func examples() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let commands: [(words: String, type: any ParsableCommand.Type)] =
      Self.below(TCALab.self, []) + [("", TCALab.self)]
    let models = try ModelCatalogue.builtIn().names
    for (words, type) in commands {
      let examples = try Self.examples(type.configuration.discussion)
      #expect(!examples.isEmpty, "\(words)")
      for example in examples {
        #expect(example.first == "tca-lab", "\(example)")
        let arguments = Array(example.dropFirst())
        if !words.isEmpty {
          #expect(arguments.joined(separator: " ").hasPrefix(words), "\(example)")
        }
        let parsed = try TCALab.parseAsRoot(arguments)
        if type.configuration.subcommands.isEmpty {
          #expect(Swift.type(of: parsed) == type, "\(example)")
        }
        for (option, value) in zip(arguments, arguments.dropFirst()) {
          switch option {
          case "--model": #expect(models.contains(value), "\(example)")
          case "--strategy":
            _ = try StrategyArgument(parsing: value, in: .commandLine)
          default: break
          }
        }
        for file in arguments where file.hasPrefix("experiments/") {
          let path = root.appendingPathComponent(file).path
          #expect(FileManager.default.fileExists(atPath: path), "\(example)")
        }
      }
    }
  }

  @Test("The program's own help names every command and every exit code")
  func root() throws {
    let result = try Lab().run("--help")
    #expect(result.status == 0)
    #expect(Self.commands.count > 15)
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
    for (words, said) in [
      (["rnu"], "Unexpected argument 'rnu'. Did you mean 'run'?\n"),
      (["vlaidate", "spec.json"], ". Did you mean 'validate'?\n"),
      (["models", "isnpect", "model.gguf"], ". Did you mean 'inspect'?\n"),
    ] {
      let result = try lab.start(words).wait()
      #expect(result.status == 2 && result.err.contains(said), "\(result.err)")
    }
    #expect(try !lab.run("run", "a", "b").err.contains("Did you mean"))
    #expect(try lab.run("strategies", "show", "streaming-lm").err.contains("\"streaming-llm\"?"))
    let pull = try lab.run("models", "pull", "smollm2-135m")
    #expect(pull.err.contains("smollm2-135m-instruct"), "\(pull.err)")
  }
}
