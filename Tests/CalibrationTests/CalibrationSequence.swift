import Attention
import Foundation
import LabTestSupport
import Records
import Tensors

/// Random queries and keys, and their attention in double precision.
struct CalibrationSequence {
  let attention: ReferenceAttention

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
