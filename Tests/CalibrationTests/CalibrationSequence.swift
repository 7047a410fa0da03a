import Attention
import Calibration
import Foundation
import JSON
import Kernels
import LabTestSupport
import Records
import Tensors
import Testing
import Threads

/// Random queries and keys, and their attention in double precision.
struct CalibrationSequence {
  let attention: ReferenceAttention

  init(_ attention: ReferenceAttention) { self.attention = attention }

  init(_ shape: AttentionShape, tokens: Int, seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "calibration")
    func random(_ columns: Int) -> Matrix {
      Matrix(
        rows: tokens, columns: columns,
        elements: (0..<tokens * columns).map { _ in Float(1.3 * generator.normal()) })
    }
    attention = ReferenceAttention(
      shape: shape, queries: random(shape.queryHeads * shape.headDimension),
      keys: random(shape.kvHeads * shape.headDimension),
      values: random(shape.kvHeads * shape.headDimension))
  }

  /// The softmax row of a query over keys 0…query.
  func weights(head: Int, query: Int) -> [Double] {
    let logits = (0...query).map { attention.logit(head: head, query: query, key: $0) }
    let maximum = logits.max() ?? 0
    let total = logits.reduce(0) { $0 + exp($1 - maximum) }
    return logits.map { exp($0 - maximum) / total }
  }

  func cache(_ kvHead: Int) -> KVHead {
    let d = attention.shape.headDimension
    let cache = KVHead(headDimension: d)
    cache.append(
      keys: attention.keys, values: attention.values, column: kvHead * d, firstPosition: 0)
    return cache
  }

  func run(_ pass: any LayerAttention) {
    for layer in 0..<attention.shape.layers {
      var output = Matrix(rows: attention.queries.rows, columns: attention.queries.columns)
      pass.attend(
        layer: layer, phase: .prefill, queries: attention.queries, keys: attention.keys,
        values: attention.values, firstPosition: 0, output: &output)
    }
  }
}

extension CalibratedStrategy {
  /// A strategy as a spec says it, sized for a prompt of so many tokens.
  static func of(
    _ parameters: JSONValue, shape: AttentionShape, promptTokens: Int = 304
  ) throws -> Self {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: about.name))
    return try #require(
      try entry.configure(parameters).forPrompt(of: promptTokens, shape: shape) as? Self)
  }

  /// What its offline phase finds out of a sequence.
  func evidence(
    _ sequence: CalibrationSequence, workspace: Workspace = Workspace(workers: WorkerPool())
  ) throws -> JSONValue {
    let pass = makePass(shape: sequence.attention.shape, workspace: workspace)
    sequence.run(pass)
    return try pass.evidence()
  }
}

extension ConfiguredStrategy {
  /// Throws what a plan would, before the offline phase.
  func checkBeforeCalibration(
    for shape: AttentionShape, contextLength: Int
  ) throws -> ConfiguredStrategy {
    let assumed = try assumingCalibrated(for: shape, contextLength: contextLength)
    try assumed.check(promptTokens: contextLength, shape: shape)
    return assumed
  }
}
