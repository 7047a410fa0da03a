import ArgumentParser
import Attention
import Experiments
import Foundation
import GGUF
import Kernels
import ModelLibrary
import Planning
import Tasks
import Tensors
import Threads
import Tokenization

/// Where results are kept.
struct DatabaseOptions: ParsableArguments {
  static let standardPath = "results/tca-lab.sqlite"

  @Option(name: .customLong("db"), help: "The result database.", completion: .databases)
  var path = DatabaseOptions.standardPath
}

/// The program's threads.
struct ThreadOptions: ParsableArguments {
  @Option(help: "Threads (default: the machine's cores).")
  var threads: Int?

  var count: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }

  /// Says on stderr that there are more threads than cores, if there are.
  static func warn(ofThreads count: Int) {
    let cores = ProcessInfo.processInfo.activeProcessorCount
    guard count > cores else { return }
    Log.line(
      "warning: \"\(count)\" threads on \(cores) cores: they wait for each other, so the program is slower and its times mean little; use at most \(cores)"
    )
  }

  /// For commands that only look something up.
  static func one() -> Workspace { Workspace(workers: WorkerPool()) }

  /// A workspace with these threads; throws where the number or OpenBLAS does not allow it.
  func makeWorkspace(default count: Int? = nil) throws -> Workspace {
    let count = threads ?? count ?? self.count
    let workers = try WorkerPool(threadCount: count)
    Self.warn(ofThreads: count)
    try BLAS.requireOneThreadPerCall()
    return Workspace(workers: workers)
  }
}

/// A model by its catalogue name or by a path.
struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A model of the catalogue, or the path of a GGUF file.", valueName: "name or path"),
    completion: .models)
  var model: String

  func load(_ workspace: Workspace) throws -> LoadedModel { try Self.load(model, workspace) }

  /// The tokenizer alone: for this any GGUF file will do, whatever the model.
  func tokenizer() throws -> Tokenizer {
    try Tokenizer(of: GGUFFile(path: ModelCatalogue.builtIn().resolve(model)))
  }

  static func load(_ model: String, _ workspace: Workspace) throws -> LoadedModel {
    let catalogue = try ModelCatalogue.builtIn()
    let loaded = try LoadedModel(
      name: model, path: catalogue.resolve(model), workspace: workspace)
    if catalogue.model(named: model) != nil {
      try catalogue.require(digest: loaded.fileDigest, of: model)
    }
    return loaded
  }
}

/// A strategy on the command line.
struct StrategyOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "A strategy: its name, or JSON as in a spec, or @FILE with JSON (default: full attention); \"cache\": \"f16\" or another format, as in a spec, is that of its KV cache.",
      valueName: "strategy"), completion: .strategies)
  var strategy: String?

  /// Throws all that is wrong with it.
  ///
  /// - Parameter cache: the format of the KV cache where it states none.
  func parse(cache: CacheFormat) throws -> StrategyArgument {
    let text = try strategy.map { try readArgument($0, option: "--strategy") } ?? "full"
    var environment = try SpecEnvironment.commandLine
    environment.defaultCache = cache
    return try StrategyArgument(parsing: text, in: environment)
  }
}

/// An option's value, or the contents of the file that `@FILE` names.
func readArgument(_ argument: String, option: String) throws -> String {
  guard argument.hasPrefix("@") else { return argument }
  return try TextFile.text(at: String(argument.dropFirst()))
}
