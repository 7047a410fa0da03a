import Attention
import Foundation
import LabTestSupport
import Planning
import Records
import ResultStore
import Tasks
import Testing
import Threads

@testable import Experiments

/// A folder with a tiny model and some texts, in which whole experiments run in a second.
///
/// `model.gguf` has 2 layers, 4 query heads and 2 KV heads of dimension 16 and takes 512 tokens. `novel.txt` is English
/// prose of some 20,000 tokens, `short.txt` has fewer than 128.
final class RunLab {
  let folder: TemporaryFolder
  let workspace: Workspace

  init(threads: Int = 2) throws {
    folder = try TemporaryFolder()
    workspace = Workspace(workers: try WorkerPool(threadCount: threads))
    var tiny = TinyModel()
    tiny.contextLength = 512
    try tiny.write(to: folder.path("model.gguf"))
    let novel = try Corpus(named: "persuasion", folder: folder.url).text
    try folder.write(String(novel.prefix(40_000)), to: "novel.txt")
    try folder.write(String(novel.prefix(150)), to: "short.txt")
  }

  /// TCA as small as the contexts of these tests.
  static let tca =
    #"{"name": "tca", "criterion": "meanMass", "threshold": 0.7, "blockSize": 16, "localWindow": 32, "calibrationCorpus": "novel.txt", "calibrationLength": 256}"#
  static let streaming = #"{"name": "streaming-llm", "sinks": 4, "localWindow": 32}"#
  static let matching = #"{"name": "streaming-llm", "sinks": 4, "budget": {"matching": "tca"}}"#

  /// The insides of `strategies` and `tasks`; `rest` begins with a comma.
  static func spec(
    contexts: String = "128", strategies: [String], tasks: [String], rest: String = ""
  ) -> String {
    """
    {"schemaVersion": 1, "name": "tiny", "models": [{"name": "tiny", "path": "model.gguf"}],
    "contextLengths": [\(contexts)],
    "strategies": [\(strategies.joined(separator: ", "))],
    "tasks": [\(tasks.joined(separator: ", "))],
    "warmups": 1, "repeats": 2, "seed": 3\(rest)}
    """
  }

  static func perplexity(
    _ scoring: String, samples: Int = 1, corpus: String = "novel.txt"
  ) -> String {
    #"{"name": "perplexity", "corpus": "\#(corpus)", "protocol": "\#(scoring)", "samples": \#(samples), "decodeTokens": 4}"#
  }

  func check(_ spec: String) throws -> CheckedSpec {
    try CheckedSpec(
      reading: Array(spec.utf8), source: "tiny.json", in: environment)
  }

  /// All that is built in, in this folder. Caches are in float32 where a spec says nothing: what is
  /// exact, or counted by hand, is so there.
  var environment: SpecEnvironment {
    let folder = folder.url
    var environment = SpecEnvironment(
      strategies: StrategyRegistry.builtIn.descriptions,
      tasks: TaskRegistry.builtIn.descriptions, catalogueModels: [],
      shippedTexts: Corpus.shippedNames, folder: folder.path, cores: 2,
      textDigest: { try Corpus(named: $0, folder: folder).digest },
      modelFacts: {
        try? ModelFacts(name: $0.name, path: $0.path ?? "", ropeScaling: $0.ropeScaling)
      },
      strategyProblems: SpecEnvironment.problems(in: .builtIn),
      taskProblems: TaskRegistry.builtIn.problems,
      fileProblems: {
        TaskRegistry.builtIn.fileProblems(of: $0, parameters: $1, folder: folder)
      })
    environment.defaultCache = .f32
    return environment
  }

  func plan(_ spec: String) throws -> [PlannedCell] { ExperimentPlan(try check(spec)).cells }

  /// What a run said and how it ended.
  struct Run {
    var summary: RunSummary
    var events: [RunEvent]
    /// How often it asked whether it is interrupted.
    var checkpoints: Int

    var skipped: [PlannedCell] {
      events.compactMap { if case .skipped(let cell) = $0 { cell } else { nil } }
    }

    var notes: [String] {
      events.compactMap { if case .note(let text) = $0 { text } else { nil } }
    }
  }

  /// Runs a spec into a database of the folder.
  ///
  /// - Parameters:
  ///   - interruptedAt: the checkpoint, counted from 1, at which the run is told to stop.
  ///   - beforeEvent: what somebody else does once the plan is made, before each thing that the run tells.
  func run(
    _ spec: String, into database: String = "results.sqlite", isFresh: Bool = false,
    interruptedAt: Int? = nil, workspace: Workspace? = nil,
    beforeEvent: @escaping (RunEvent) -> Void = { _ in }
  ) throws -> Run {
    let checked = try check(spec)
    let workspace = workspace ?? self.workspace
    let store = try ResultStore(path: folder.path(database), access: .writing)
    var events: [RunEvent] = []
    var checkpoints = 0
    let runner = ExperimentRunner(
      RunRequest(
        experiment: ExperimentRecord(
          name: checked.spec.name, question: checked.spec.question, spec: spec),
        plan: ExperimentPlan(checked), metrics: checked.spec.metrics,
        warmups: checked.spec.warmups, repeats: checked.spec.repeats, isFresh: isFresh,
        folder: folder.url),
      models: ModelShelf(checked.models, workspace: workspace),
      sink: store,
      isInterrupted: {
        checkpoints += 1
        return checkpoints == interruptedAt
      },
      report: {
        beforeEvent($0)
        events.append($0)
      })
    let summary = try runner.runAll(provenance: Self.provenance)
    try store.close()
    return Run(summary: summary, events: events, checkpoints: checkpoints)
  }

  func results(_ database: String = "results.sqlite") throws -> ExperimentResults {
    try ResultStore(path: folder.path(database), access: .reading).results(of: "tiny")
  }

  func runs(_ database: String = "results.sqlite") throws -> [StoredRun] {
    try ResultStore(path: folder.path(database), access: .reading).storedRuns()
  }

  func kinds(
    of cells: [PlannedCell], in database: String = "results.sqlite"
  ) throws -> [String: Set<ResultKind>] {
    try ResultStore(path: folder.path(database), access: .reading)
      .storedKinds(of: cells.map(\.cell.identity))
  }

  func loadModel() throws -> LoadedModel {
    try LoadedModel(name: "tiny", path: folder.path("model.gguf"), workspace: workspace)
  }

  private static let provenance = Provenance(
    programVersion: "test", sourceState: "test", numericsVersion: NumericsVersion.current,
    operatingSystem: "test", cpu: "test", cores: 2, memoryBytes: 1, blas: "test",
    blasThreadsPerCall: 1, threads: 2, compiler: "test", compilerFlags: "test",
    dependencies: [:])
}

extension ExperimentResults {
  /// The row of a strategy's only cell.
  func row(_ label: String, _ taskProtocol: String? = nil, contextLength: Int? = nil) throws
    -> ComparisonRow
  {
    let found = rows.filter {
      $0.planned.label == label
        && (taskProtocol == nil || $0.planned.cell.taskProtocol == taskProtocol)
        && (contextLength == nil || $0.planned.cell.contextLength == contextLength)
    }
    try #require(found.count == 1, "\(label): \(found.count) of \(rows.map(\.planned.label))")
    return found[0]
  }

  /// Everything that must come out the same whenever and however the experiment is run: no times, no memory of the
  /// process, no numbers of runs.
  var reproducible: [ComparisonRow] {
    rows.map { row in
      var row = row
      row.figures = row.figures.filter { column, _ in
        !["time", "tokens_per_second", "workspace", "peak"].contains {
          column.rawValue.contains($0)
        }
      }
      row.kinds = row.kinds.mapValues { _ in 0 }
      return row
    }
  }
}
