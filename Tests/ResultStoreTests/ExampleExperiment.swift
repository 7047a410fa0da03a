import Foundation
import JSON
import Records

/// Foundation has one too.
typealias Measurement = Records.Measurement

/// A small experiment with figures that are made up but tell apart: every value depends on its place.
enum ExampleExperiment {
  static let record = ExperimentRecord(
    name: "example", question: "How much can be dropped?", spec: #"{"name": "example"}"#)

  static let provenance = Provenance(
    programVersion: "0.1.0", sourceState: "abc123", numericsVersion: 1,
    operatingSystem: "Debian 12", cpu: "Made-up CPU", cores: 2, memoryBytes: 1 << 34,
    blas: "OpenBLAS 0.3.21", blasThreadsPerCall: 1, threads: 2, compiler: "Swift 6.3",
    compilerFlags: "release", dependencies: ["GRDB.swift": "7.10.0", "swift-log": "1.16.2"])

  static let strategies: [(name: String, label: String, parameters: JSONValue)] = [
    ("full", "full", [:]),
    (
      "streaming-llm", "streaming-llm matching tca threshold=0.9",
      ["budget": ["matching": "tca"], "sinks": 4]
    ),
    ("tca", "tca threshold=0.7", ["blockSize": 128, "threshold": 0.7]),
    ("tca", "tca threshold=0.9", ["blockSize": 128, "threshold": 0.9]),
  ]

  static let tasks: [(name: String, taskProtocol: String?)] = [
    ("perplexity", "prefill"), ("perplexity", "continuation"), ("passkey", nil),
  ]

  /// Two context lengths x tasks x strategies, in that order.
  static let cells: [PlannedCell] = {
    var cells: [PlannedCell] = []
    for context in [512, 1024] {
      for task in tasks {
        let place = "\(context)-\(task.name)-\(task.taskProtocol ?? "none")"
        for strategy in strategies {
          let cell = CellRecord(
            identity: "\(place)-\(strategy.label)", model: "smollm2", modelDigest: "b179",
            contextLength: context, strategy: strategy.name,
            strategyParameters: strategy.parameters, task: task.name,
            taskProtocol: task.taskProtocol, taskParameters: ["samples": 2], queryAware: true,
            selectionLooksAhead: strategy.name == "tca" && task.taskProtocol == "prefill", seed: 7)
          cells.append(
            PlannedCell(
              cell: cell, label: strategy.label, fullIdentity: "\(place)-full",
              matchedIdentity: strategy.name == "streaming-llm"
                ? "\(place)-tca threshold=0.9" : nil))
        }
      }
    }
    return cells
  }()

  /// What a cell's quality pass found; `shift` makes a later run's figures differ.
  static func results(_ planned: PlannedCell, shift: Double = 0) -> CellResults {
    let step = number(of: planned)
    let isTask = planned.cell.task == "passkey"
    let bytes = 1_000_000 * Double(planned.cell.contextLength / 512) / (1 + step)
    var measurements = [
      Measurement("kvCacheResidentBytes", value: bytes, unit: "bytes"),
      Measurement("finalKVCacheResidentBytes", value: bytes + 4096, unit: "bytes"),
      Measurement("kvCacheLogicalBytes", value: bytes - 4096, unit: "bytes"),
    ]
    if isTask {
      measurements.append(Measurement("score", "mean", value: 1 - step / 8, unit: "fraction"))
    } else {
      measurements += [
        Measurement(
          "perplexity", setting: .propagated, value: 14 + step + shift, unit: ""),
        Measurement(
          "negativeLogLikelihood", "mean", setting: .propagated, value: 2.6 + step / 10,
          unit: "nats"),
        Measurement("logitKL", "mean", value: step / 100, unit: "nats"),
        Measurement("logitKL", "p95", value: step / 20, unit: "nats"),
        Measurement("topOneAgreement", "mean", value: 1 - step / 50, unit: "fraction"),
      ]
    }
    return CellResults(
      identity: planned.cell.identity, kinds: [.approximation, .quality, .memory],
      measurements: measurements, heads: heads(step: step, shift: shift),
      units: isTask ? prompts(step: step) : segments(step: step),
      // Full attention keeps everything.
      kept: step == 0
        ? []
        : (0..<2).map {
          KeptTokens(layer: 3 * $0 + 2, kvHead: 0, promptTokens: 4, percentages: [100, 0, 50, $0])
        })
  }

  /// Full, the others and full again in turn: a warm-up and three counted repetitions.
  static func timingGroup(context: Int, task: Int, drift: Double = 0) -> TimingGroup {
    let name = tasks[task]
    let members = cells.filter {
      $0.cell.contextLength == context && $0.cell.task == name.name
        && $0.cell.taskProtocol == name.taskProtocol
    }
    var samples: [TimingSample] = []
    var controls: [TimingSample] = []
    for repetition in 0..<4 {
      for (place, planned) in (members + members.prefix(1)).enumerated() {
        let step = number(of: planned)
        let machine = 1 + drift + Double((repetition * 7) % 4) / 10
        let attention = 0.25 * machine / (1 + step)
        let sample = TimingSample(
          identity: planned.cell.identity, repetition: max(0, repetition - 1),
          isWarmup: repetition == 0, promptTokens: context, decodeTokens: 8,
          timeToFirstToken: (0.5 - step / 20) * machine, timePerOutputToken: 0.01 * machine,
          attentionTime: attention, selectionTime: step == 0 ? 0 : 0.01,
          compactionTime: step == 0 ? 0 : 0.002, otherTime: 0.2 * machine,
          decodeAttentionTime: 0.003, decodeSelectionTime: 0, decodeCompactionTime: 0,
          decodeOtherTime: 0.007)
        if place < members.count { samples.append(sample) } else { controls.append(sample) }
      }
    }
    var measurements: [String: [Measurement]] = [:]
    for planned in members {
      measurements[planned.cell.identity] = [
        Measurement(
          "peakResidentBytes", value: 3e8 - 1e6 * number(of: planned), unit: "bytes"),
        Measurement("workspaceBytes", value: 2e6, unit: "bytes"),
      ]
    }
    return TimingGroup(
      threads: 2, samples: samples, controls: controls, measurements: measurements)
  }

  /// 0 for full, 1… for the others.
  static func number(of planned: PlannedCell) -> Double {
    Double(strategies.firstIndex { $0.label == planned.label } ?? 0)
  }

  private static func heads(step: Double, shift: Double) -> [HeadMeasurement] {
    var heads: [HeadMeasurement] = []
    for setting in ErrorSetting.allCases {
      for phase in MeasuredPhase.allCases {
        for layer in 0..<2 {
          for head in 0..<3 {
            let place = Double(layer * 3 + head + 1)
            let base = step * place / 100 + shift / 10
            let factor = (setting == .propagated ? 2.0 : 1) * (phase == .decode ? 3 : 1)
            heads.append(
              HeadMeasurement(
                setting: setting, phase: phase, layer: layer, queryHead: head,
                relativeOutputError: base * factor, worstQueryError: 4 * base * factor,
                lastQueryError: base, outputCosine: 1 - base / 2,
                droppedMass: step == 1 ? nil : base / 2, droppedMassP95: step == 1 ? nil : base,
                droppedMassMaximum: step == 1 ? nil : min(1, 3 * base * factor),
                boundRatio: step > 1 ? 0.3 + place / 100 : nil, density: 1 / (1 + step),
                nominalDensity: 0.9 / (1 + step), retainedFraction: 1 / (1 + step + place / 10)))
          }
        }
      }
    }
    return heads
  }

  private static func segments(step: Double) -> [ScoredUnit] {
    (0..<16).map { index in
      ScoredUnit(
        sample: index / 2, index: index % 2, place: Double(256 + 64 * (index % 2)), tokens: 64,
        negativeLogLikelihood: 160 + Double(index) + step * Double(index % 3), logitKL: step,
        topOneAgreements: 64 - Int(step))
    }
  }

  private static func prompts(step: Double) -> [ScoredUnit] {
    (0..<6).map { index in
      ScoredUnit(
        sample: index, index: 0, place: Double(index % 3) / 2, tokens: 1,
        score: index < 6 - Int(step) ? 1 : 0, answer: " 12345", expected: "12345")
    }
  }
}

/// A folder that is deleted with its owner.
final class TemporaryFolder {
  let path: String

  init() {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("result-store-\(UUID().uuidString)").path
    try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func file(_ name: String = "results.sqlite") -> String { path + "/" + name }
}
