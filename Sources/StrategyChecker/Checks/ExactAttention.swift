import Foundation
import Tensors

/// One layer's attention in double precision, query by query over listed keys: what a strategy's output is held
/// against. It shares no code with the kernels.
struct ExactAttention {
  let shape: AttentionShape
  /// Rows are token positions.
  let queries: Matrix
  let keys: Matrix
  let values: Matrix

  init(sequence: SyntheticSequence, layer: Int) {
    shape = sequence.shape
    queries = sequence.queries[layer]
    keys = sequence.keys[layer]
    values = sequence.values[layer]
  }

  /// What the query should have given, attending to some keys and to all.
  struct Outcome {
    /// (headDimension)
    var output: [Double]
    var logSumExp: Double
    var denseOutput: [Double]
    var denseLogSumExp: Double

    /// γ: the dense attention mass outside the attended keys.
    var droppedMass: Double { max(0, 1 - exp(logSumExp - denseLogSumExp)) }
  }

  /// `attended` lists positions up to the query's, each once.
  func attend(head: Int, query: Int, to attended: [Int]) -> Outcome {
    let d = shape.headDimension
    let column = shape.kvHead(of: head) * d
    let q = queries.row(query).extracting(head * d..<(head + 1) * d)
    var logits = [Double](repeating: 0, count: query + 1)
    for token in 0...query {
      let k = keys.row(token).extracting(column..<column + d)
      var product = 0.0
      for i in 0..<d { product += Double(q[i]) * Double(k[i]) }
      logits[token] = product / Double(d).squareRoot()
    }
    let sparse = mean(of: attended, logits, column)
    let dense = mean(of: Array(0...query), logits, column)
    return Outcome(
      output: sparse.0, logSumExp: sparse.1, denseOutput: dense.0, denseLogSumExp: dense.1)
  }

  private func mean(
    of tokens: [Int], _ logits: [Double], _ column: Int
  ) -> (output: [Double], logSumExp: Double) {
    let d = shape.headDimension
    let maximum = tokens.reduce(-Double.infinity) { max($0, logits[$1]) }
    var output = [Double](repeating: 0, count: d)
    var total = 0.0
    for token in tokens {
      let weight = exp(logits[token] - maximum)
      total += weight
      let v = values.row(token).extracting(column..<column + d)
      for i in 0..<d { output[i] += weight * Double(v[i]) }
    }
    for i in 0..<d { output[i] /= total }
    return (output, maximum + log(total))
  }

  /// Running maxima over tokens of ‖v‖₁ (and of ‖v‖₂) of a KV head.
  func largestValues(kvHead: Int) -> (absolute: [Double], euclidean: [Double]) {
    let d = shape.headDimension
    var absolute: [Double] = []
    var euclidean: [Double] = []
    for token in 0..<values.rows {
      let v = values.row(token).extracting(kvHead * d..<(kvHead + 1) * d)
      var sum = 0.0
      var squares = 0.0
      for i in 0..<d {
        sum += abs(Double(v[i]))
        squares += Double(v[i]) * Double(v[i])
      }
      absolute.append(max(absolute.last ?? 0, sum))
      euclidean.append(max(euclidean.last ?? 0, squares.squareRoot()))
    }
    return (absolute, euclidean)
  }
}
