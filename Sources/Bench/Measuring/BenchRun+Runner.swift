import Attention
import Experiments
import Foundation
import JSON
import Kernels
import Planning
import Records
import ResultStore
import Tasks
import Threads
import Transformer

// What the laboratory adds to the passes themselves.
extension BenchRun {
  private static let tokens = 2048

  /// A spec of one task at 2,048 tokens.
  private func plan(strategies: [String], metrics: String) throws -> CheckedSpec {
    let entry: JSONValue = ["name": .string(model.name), "path": .string(absolutePath)]
    let text = """
      {"schemaVersion": 1, "name": "bench", "models": [\(entry.canonicalText)],
      "contextLengths": [\(Self.tokens)], "strategies": [\(strategies.joined(separator: ", "))],
      "tasks": [{"name": "perplexity", "samples": 1, "protocol": "prefill"}],
      "metrics": ["\(metrics)"], "warmups": 1, "repeats": \(repeats)}
      """
    return try CheckedSpec(reading: Array(text.utf8), source: "bench", in: environment)
  }

  private var absolutePath: String { URL(fileURLWithPath: model.path).standardizedFileURL.path }

  /// Wall time of a run less that of its passes.
  func runnerRow() throws -> BenchRow {
    tell("a run of two cells at \(Self.tokens) tokens")
    let spec = try plan(
      strategies: [
        #"{"name": "full"}"#, #"{"name": "streaming-llm", "sinks": 4, "localWindow": 512}"#,
      ], metrics: "latency")
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-bench-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let store = try ResultStore(
      path: folder.appendingPathComponent("bench.sqlite").path, access: .writing)
    let sink = GroupKeepingSink(store)
    let runner = ExperimentRunner(
      RunRequest(
        experiment: ExperimentRecord(name: "bench", question: "", spec: "{}"),
        plan: ExperimentPlan(spec), metrics: spec.spec.metrics, warmups: spec.spec.warmups,
        repeats: spec.spec.repeats, isFresh: false, folder: folder),
      models: ModelShelf(spec.models, workspace: model.model.workspace),
      sink: sink, report: { _ in })
    // The database goes with its folder.
    let provenance = Provenance.collect(
      sourceState: "not kept", threads: workers.threadCount)
    var watch = Stopwatch()
    let summary = try runner.runAll(provenance: provenance)
    let whole = watch.lap().seconds
    try store.close()
    let passes = sink.samples.reduce(0) { $0 + $1.totalTime }
    return BenchRow(
      .runnerOverhead, value: max(0, whole - passes),
      references: [BenchReference("the run", value: whole, target: 0.01)],
      details: ["cells": Double(summary.finished), "passes": Double(sink.samples.count)],
      notes: [
        "Loading the model and its vocabulary and cutting the text are counted, once for both cells"
      ])
  }

  /// Passes of a quality measurement over timed passes of full attention, in turn.
  func qualityRows() throws -> [BenchRow] {
    let spec = try plan(strategies: [#"{"name": "full"}"#, Self.tca], metrics: "quality")
    guard let cell = ExperimentPlan(spec).cells.first(where: { $0.cell.strategy == "tca" }) else {
      preconditionFailure("BenchRun.qualityRows: no cell of TCA in its plan")
    }
    let task = try TaskRegistry.builtIn.task(
      named: cell.cell.task, parameters: cell.cell.taskParameters, folder: .currentDirectory())
    let samples = try task.samples(
      tokenizer: model.tokenizer, contextLength: Self.tokens, seed: cell.cell.seed)
    let subject = QualityPass.Subject(
      CellStrategy(
        cell: cell, try tcaStrategy(), model: model,
        meanPromptTokens: Double(samples[0].prompt.count)), [.approximation, .quality, .memory])
    let pass = QualityPass(
      model: model, task: task, samples: samples, makeFull: makeFull,
      futures: FutureShelf(
        model: model.model, samples: samples, makeFull: makeFull))
    var timing: [Double] = []
    var isolated: [Double] = []
    var propagated: [Double] = []
    for round in 0...repeats {
      tell("quality passes of \(Self.tokens) tokens, repeat \(round) of \(repeats)")
      let full = try timed(samples[0].prompt, decodeTokens: 0, session: makeFull())
      var watch = Stopwatch()
      let dense = try pass.dense(beside: [subject])
      let first = watch.lap().seconds
      _ = try pass.results(of: subject, own: pass.own(of: subject), dense: dense)
      let second = watch.lap().seconds
      // The first round warms up.
      guard round > 0 else { continue }
      timing.append(full.timeToFirstToken)
      isolated.append(first)
      propagated.append(second)
    }
    let reference = BenchReference("timing pass of full", samples: timing, target: 1.6)
    return [
      BenchRow(.qualityIsolated2048, samples: isolated, references: [reference]),
      BenchRow(.qualityPropagated2048, samples: propagated, references: [reference]),
    ]
  }
}

extension TimingSample {
  /// Seconds of the prefill and all decode steps.
  fileprivate var totalTime: Double {
    timeToFirstToken + (decodeRate.map { Double(decodeTokens) / $0 } ?? 0)
  }
}

/// A sink that keeps the samples that pass through it.
private final class GroupKeepingSink: ResultSink {
  private let sink: any ResultSink
  private(set) var samples: [TimingSample] = []

  init(_ sink: any ResultSink) { self.sink = sink }

  func store(_ group: TimingGroup, run: Int64) throws {
    samples += group.samples
    try sink.store(group, run: run)
  }

  func beginRun(
    of experiment: ExperimentRecord, cells: [PlannedCell], provenance: Provenance
  ) throws -> Int64 {
    try sink.beginRun(of: experiment, cells: cells, provenance: provenance)
  }

  func storedKinds(of identities: [String]) throws -> [String: Set<ResultKind>] {
    try sink.storedKinds(of: identities)
  }

  func store(_ results: CellResults, run: Int64) throws { try sink.store(results, run: run) }

  func storeFailure(
    of identity: String, kinds: Set<ResultKind>, reason: String, run: Int64
  ) throws {
    try sink.storeFailure(of: identity, kinds: kinds, reason: reason, run: run)
  }

  func endRun(_ run: Int64, as ending: RunEnding) throws { try sink.endRun(run, as: ending) }

  func storedMeasurement(
    _ name: String, statistic: String, setting: ErrorSetting?, phase: MeasuredPhase?,
    of identity: String
  ) throws -> Double? {
    try sink.storedMeasurement(
      name, statistic: statistic, setting: setting, phase: phase, of: identity)
  }

  func storedCalibration(_ identity: String) throws -> CalibrationRecord? {
    try sink.storedCalibration(identity)
  }

  func store(_ calibration: CalibrationRecord) throws { try sink.store(calibration) }
}
