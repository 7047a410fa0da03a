import Foundation
import Kernels
import Tensors

/// One layer's attention in double precision, query by query over listed keys: what a strategy's output is held
/// against. It shares no code with the kernels.
struct ExactAttention {
  let shape: AttentionShape
  private let scale: Double
  /// Rows are token positions.
  let queries: Matrix
  private let tokens: Int
  /// Keys and values as the cache holds them.
  private let rows: HeldRows
  private let changesWithAge: Bool
  /// By KV head and position, the rows of tokens in fewer bits as the cache gives them back.
  private let rowsInFewerBits: [[Int: (key: [Float], value: [Float])]]

  /// - Parameters:
  ///   - rows: as the cache holds them.
  ///   - heads: which hold some of them in fewer bits.
  init(_ subject: CheckSubject, layer: Int, rows: HeldRows, heads: [KVHead] = []) {
    let sequence = subject.sequence
    shape = sequence.shape
    scale = shape.geometry[layer].scale
    queries = sequence.queries[layer]
    tokens = sequence.tokens
    self.rows = rows
    changesWithAge = subject.checkCase.cache.values.changesWithAge
    rowsInFewerBits = heads.map { head in
      guard let tier = head.cold else { return Self.coarseRows(of: head) }
      let rows = ColdScores.rows(of: tier)
      let d = tier.headDimension
      return Dictionary(
        uniqueKeysWithValues: tier.positions.enumerated().map { token, position in
          let columns = token * d..<(token + 1) * d
          return (
            Int(position),
            (Array(rows.keys.elements[columns]), Array(rows.values.elements[columns]))
          )
        })
    }
  }

  private static func coarseRows(of head: KVHead) -> [Int: (key: [Float], value: [Float])] {
    let coarse = Set(head.coarsePositions)
    guard !coarse.isEmpty else { return [:] }
    let (keys, values) = (head.keys, head.values)
    func numbers(_ row: Span<Float>) -> [Float] { (0..<row.count).map { row[$0] } }
    return Dictionary(
      uniqueKeysWithValues: head.positions.enumerated().filter { coarse.contains($1) }.map {
        (Int($1), (numbers(keys.row($0)), numbers(values.row($0))))
      })
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

  /// `attended` lists positions up to the query's, each once; those in `coarse` are taken as the cache gives them back.
  func attend(
    head: Int, query: Int, to attended: [Int], coarse: Set<Int> = []
  ) -> Outcome {
    let d = shape.headDimension
    let kvHead = shape.kvHead(of: head)
    let column = kvHead * d
    let q = queries.row(query).extracting(head * d..<(head + 1) * d)
    var logits = [Double](repeating: 0, count: query + 1)
    for token in 0...query {
      let held = rows.keys(of: token, at: query)
      let k = held.row(token).extracting(column..<column + d)
      var product = 0.0
      for i in 0..<d { product += Double(q[i]) * Double(k[i]) }
      logits[token] = product * scale
    }
    var heldLogits = logits
    for token in coarse {
      guard let key = rowsInFewerBits[kvHead][token]?.key else { continue }
      let product = (0..<d).reduce(0.0) { $0 + Double(q[$1]) * Double(key[$1]) }
      heldLogits[token] = product * scale
    }
    let sparse = mean(of: attended, heldLogits, column, query) { token in
      coarse.contains(token) ? rowsInFewerBits[kvHead][token]?.value : nil
    }
    let dense = mean(of: Array(0...query), logits, column, query)
    return Outcome(
      output: sparse.0, logSumExp: sparse.1, denseOutput: dense.0, denseLogSumExp: dense.1)
  }

  private func mean(
    of tokens: [Int], _ logits: [Double], _ column: Int, _ query: Int,
    coarseValue: (Int) -> [Float]? = { _ in nil }
  ) -> (output: [Double], logSumExp: Double) {
    let d = shape.headDimension
    let maximum = tokens.reduce(-Double.infinity) { max($0, logits[$1]) }
    var output = [Double](repeating: 0, count: d)
    var total = 0.0
    for token in tokens {
      let weight = exp(logits[token] - maximum)
      total += weight
      if let value = coarseValue(token) {
        for i in 0..<d { output[i] += weight * Double(value[i]) }
      } else {
        let held = rows.values(of: token, at: query)
        let v = held.row(token).extracting(column..<column + d)
        for i in 0..<d { output[i] += weight * Double(v[i]) }
      }
    }
    for i in 0..<d { output[i] /= total }
    return (output, maximum + log(total))
  }

  /// The largest ‖v‖₁ (and ‖v‖₂) of a KV head's tokens up to each query, as they are held then.
  func largestValues(kvHead: Int) -> (absolute: [Double], euclidean: [Double]) {
    var absolute: [Double] = []
    var euclidean: [Double] = []
    for query in 0..<tokens {
      // What changes is looked at again.
      var largest = changesWithAge ? (0, 0) : (absolute.last ?? 0, euclidean.last ?? 0)
      for token in changesWithAge ? 0..<query + 1 : query..<query + 1 {
        let norms = norms(rows.values(of: token, at: query), token, kvHead)
        largest = (max(largest.0, norms.0), max(largest.1, norms.1))
      }
      absolute.append(largest.0)
      euclidean.append(largest.1)
    }
    return (absolute, euclidean)
  }

  private func norms(_ values: Matrix, _ token: Int, _ kvHead: Int) -> (Double, Double) {
    let d = shape.headDimension
    let v = values.row(token).extracting(kvHead * d..<(kvHead + 1) * d)
    var sum = 0.0
    var squares = 0.0
    for i in 0..<d {
      sum += abs(Double(v[i]))
      squares += Double(v[i]) * Double(v[i])
    }
    return (sum, squares.squareRoot())
  }
}
