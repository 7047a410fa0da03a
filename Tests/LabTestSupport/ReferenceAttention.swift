import Foundation
import Tensors

/// Attention in double precision over keys that are listed one by one: the obvious way, for tests to compare with.
///
/// Shares no code with the kernels: each query's softmax is over a list of positions,
///
///     out = Σ_j w_j v_j,   w_j = exp(s_j − m) / Σ_j' exp(s_j' − m),   s_j = q·k_j / √d,   m = max s_j
///
/// O(keys · d) for one query. Row r of each matrix is token position r.
public struct ReferenceAttention {
  public let shape: AttentionShape
  /// (tokens x queryHeads·headDimension)
  public let queries: Matrix
  /// (tokens x kvHeads·headDimension)
  public let keys: Matrix
  public let values: Matrix

  public init(shape: AttentionShape, queries: Matrix, keys: Matrix, values: Matrix) {
    self.shape = shape
    self.queries = queries
    self.keys = keys
    self.values = values
  }

  /// What one query head gives for the query at `position`, attending to exactly `attended`.
  ///
  /// - Returns: the output (headDimension) and the natural log-sum-exp of the logits.
  public func attend(
    head: Int, query position: Int, to attended: some Sequence<Int>
  ) -> (output: [Double], logSumExp: Double) {
    let d = shape.headDimension
    let first = shape.kvHead(of: head) * d
    let attended = Array(attended)
    let logits = attended.map { logit(head: head, query: position, key: $0) }
    let maximum = logits.max() ?? -.infinity
    let weights = logits.map { exp($0 - maximum) }
    let total = weights.reduce(0, +)
    var output = [Double](repeating: 0, count: d)
    for (key, weight) in zip(attended, weights) {
      for i in 0..<d { output[i] += weight / total * Double(values[key, first + i]) }
    }
    return (output, maximum + log(total))
  }

  /// Dense causal attention of one query.
  public func attendDensely(
    head: Int, query position: Int
  ) -> (output: [Double], logSumExp: Double) {
    attend(head: head, query: position, to: 0...position)
  }

  /// The share of the dense attention of a query that lies on `attended`, in 0…1.
  public func attentionMass(
    head: Int, query position: Int, on attended: some Sequence<Int>
  ) -> Double {
    let whole = attendDensely(head: head, query: position).logSumExp
    return attended.reduce(0) { $0 + exp(logit(head: head, query: position, key: $1) - whole) }
  }

  /// max over j ≤ position of ‖v_j‖₁ of the head's KV head.
  public func largestValue(head: Int, upTo position: Int) -> Double {
    let d = shape.headDimension
    let first = shape.kvHead(of: head) * d
    return (0...position).map { token in
      (0..<d).reduce(0) { $0 + abs(Double(values[token, first + $1])) }
    }.max() ?? 0
  }

  /// q·k/√d.
  public func logit(head: Int, query position: Int, key: Int) -> Double {
    let d = shape.headDimension
    let kvHead = shape.kvHead(of: head)
    let product = (0..<d).reduce(0.0) {
      $0 + Double(queries[position, head * d + $1]) * Double(keys[key, kvHead * d + $1])
    }
    return product / Double(d).squareRoot()
  }
}
