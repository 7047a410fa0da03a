import Foundation
import Kernels
import Tensors

/// Attention as its definition says, one query after the other, in Double.
struct AttentionReference {
  let shape: AttentionShape
  let heads: [KVHead]
  let selections: [Selection]

  struct Result {
    var output: [Double]
    var logSumExp: Double
    /// Pairs that the selection shows and the cache holds.
    var pairs: Int
  }

  func attend(_ query: Span<Float>, head: Int, at position: Int) -> Result {
    let cache = heads[shape.kvHead(of: head)]
    let keys = cache.keys
    let values = cache.values
    let d = shape.headDimension
    var logits: [(slot: Int, logit: Double)] = []
    for slot in 0..<cache.count
    where selections[head].attends(to: cache.position(ofSlot: slot), fromQuery: position) {
      var sum = 0.0
      for i in 0..<d { sum += Double(query[i]) * Double(keys.row(slot)[i]) }
      logits.append((slot, sum * cache.scale))
    }
    let maximum = logits.map(\.logit).max() ?? 0
    let total = logits.reduce(0) { $0 + exp($1.logit - maximum) }
    var output = [Double](repeating: 0, count: d)
    for (slot, logit) in logits {
      let weight = exp(logit - maximum) / total
      for i in 0..<d { output[i] += weight * Double(values.row(slot)[i]) }
    }
    return Result(
      output: output, logSumExp: logits.isEmpty ? -.infinity : maximum + log(total),
      pairs: logits.count)
  }
}

/// Queries, caches and selections of one attention call, made from a seed.
struct AttentionCase {
  var shape: AttentionShape
  var heads: [KVHead]
  var queries: Matrix
  var firstPosition: Int
  var selections: [Selection]
  /// What the reference reads, where the caches hold tokens in few bits: all of them exactly, as they are read back.
  var readBack: [KVHead]?

  /// `tokens` queries after `past` cached tokens. With `holes`, some past tokens have left, others for each KV head;
  /// of those, a share of `kept` has stayed. Every other seed has another attention scale than 1/√d.
  init(
    seed: Int, group: Int, kvHeads: Int, dimension: Int, past: Int, tokens: Int,
    holes: Bool = false, kept: Double = 0.5, logitScale: Float = 2, format: CacheFormat = .f32
  ) {
    var numbers = TestNumbers(seed: seed)
    shape = AttentionShape(
      layers: 1, queryHeads: group * kvHeads, kvHeads: kvHeads, headDimension: dimension)
    let columns = kvHeads * dimension
    let scale = (seed % 2 == 0 ? 1 : 0.8) / Double(dimension).squareRoot()
    heads = (0..<kvHeads).map { _ in KVHead(headDimension: dimension, scale: scale, format: format)
    }
    queries = numbers.matrix(tokens, group * columns, scale: logitScale)
    firstPosition = past
    for (index, head) in heads.enumerated() {
      if past > 0 {
        head.append(
          keys: numbers.matrix(past, columns), values: numbers.matrix(past, columns),
          column: index * dimension, firstPosition: 0)
        if holes {
          head.retain(
            .random(below: past, density: kept, window: .currentToken, &numbers),
            newestQuery: past - 1)
        }
        head.settle()
      }
      head.append(
        keys: numbers.matrix(tokens, columns), values: numbers.matrix(tokens, columns),
        column: index * dimension, firstPosition: past)
    }
    selections = [Selection](repeating: .everything, count: shape.queryHeads)
  }

  /// Moves past tokens to the cold tier, as many pages as there are of those that a random selection does not keep.
  mutating func cool(_ format: ColdFormat, keeping density: Double, seed: Int) {
    var numbers = TestNumbers(seed: seed)
    for head in heads {
      let all = Array(head.positions).filter { $0 < firstPosition }
      var leaving = all.filter { _ in Double(numbers.integer(0..<1000)) >= density * 1000 }
      leaving.removeLast(leaving.count % ColdTier.pageTokens)
      var exact = Selection(window: LocalWindow(width: queries.rows - 1))
      for position in Set(all).subtracting(leaving).sorted() { exact.keep(Int(position)) }
      let newest = firstPosition + queries.rows - 1
      head.cool(.everything, except: exact, newestQuery: newest, format: format)
      head.retain(exact, newestQuery: newest)
    }
    readBack = heads.map(\.readBack)
  }

  /// Everything that `kernel` gives for `rows`, compared with the reference for every `step`-th row.
  ///
  /// - Returns: what is wrong, nil if nothing is.
  func check(_ kernel: AttentionKernel, rows: Range<Int>, step: Int = 1) -> String? {
    let d = shape.headDimension
    let tokens = queries.rows
    var output = Matrix(
      rows: tokens, columns: queries.columns,
      elements: [Float](repeating: 7, count: queries.elements.count))
    var logSumExp = [Float](repeating: 7, count: shape.queryHeads * tokens)
    let counts = kernel.attend(
      queries: queries, rows: rows, firstPosition: firstPosition, shape: shape, heads: heads,
      selections: selections, output: &output, logSumExp: &logSumExp)
    let reference = AttentionReference(
      shape: shape, heads: readBack ?? heads, selections: selections)
    for row in 0..<tokens where !rows.contains(row) {
      for column in 0..<queries.columns where output[row, column] != 7 {
        return "row \(row) outside of the rows was written"
      }
      for head in 0..<shape.queryHeads where logSumExp[head * tokens + row] != 7 {
        return "log-sum-exp of row \(row) outside of the rows was written"
      }
    }
    for head in 0..<shape.queryHeads {
      var pairs = 0
      for row in rows {
        guard (row - rows.lowerBound) % step == 0 || row == rows.upperBound - 1 else { continue }
        let query = queries.row(row).extracting(head * d..<(head + 1) * d)
        let expected = reference.attend(query, head: head, at: firstPosition + row)
        pairs += expected.pairs
        // Weights are within some 1e-6 of the exact ones (logits up to 20, sums of 64 products), values at most 1.
        for i in 0..<d {
          let difference = abs(Double(output[row, head * d + i]) - expected.output[i])
          if !(difference < 5e-6) {
            return "head \(head), row \(row), column \(i) is off by \(difference)"
          }
        }
        let sum = Double(logSumExp[head * tokens + row])
        let difference = sum == expected.logSumExp ? 0 : abs(sum - expected.logSumExp)
        if !(difference < 5e-6 * max(1, abs(expected.logSumExp))) {
          return "log-sum-exp of head \(head), row \(row) is off by \(difference)"
        }
      }
      if step == 1, pairs != counts[head].nominal {
        return "head \(head) counted \(counts[head].nominal) pairs, there are \(pairs)"
      }
      if counts[head].computed < counts[head].nominal {
        return "head \(head) computed \(counts[head].computed) of \(counts[head].nominal) pairs"
      }
    }
    return nil
  }
}

extension CacheFormat {
  /// Every format, and keys and values of different ones.
  static let tested =
    RowFormat.allCases.map { CacheFormat($0) } + [
      CacheFormat(keys: .q8_0, values: .q4_0), CacheFormat(keys: .q4_0_rotated, values: .kivi2),
      CacheFormat(keys: .kivi4, values: .q4_0_rotated), CacheFormat(keys: .f32, values: .kivi2),
      CacheFormat(keys: .kivi2, values: .f16), CacheFormat(keys: .lloyd3, values: .kivi2),
      CacheFormat(keys: .q8_0, values: .lloyd2),
    ]
}

extension KVHead {
  /// All tokens held, exactly, with the rows that the cold tier gives back.
  var readBack: KVHead {
    let result = KVHead(headDimension: headDimension, scale: scale)
    let tier = cold.map { (positions: $0.positions, rows: ColdScores.rows(of: $0)) }
    for position in heldPositions {
      let row: (Matrix, Matrix)
      if let tier, let token = tier.positions.firstIndex(of: position) {
        row = (tier.rows.keys.single(token), tier.rows.values.single(token))
      } else {
        let slot = slot(atOrAfter: Int(position))
        row = (
          Matrix(rows: 1, columns: headDimension, elements: Array(keys.row(slot))),
          Matrix(rows: 1, columns: headDimension, elements: Array(values.row(slot)))
        )
      }
      result.append(
        keys: row.0, values: row.1, column: 0, firstPosition: Int(position))
    }
    return result
  }
}

extension Array where Element == Float {
  init(_ span: Span<Float>) { self = span.indices.map { span[$0] } }
}

extension Matrix {
  fileprivate func single(_ index: Int) -> Matrix {
    Matrix(rows: 1, columns: columns, elements: Array(row(index)))
  }
}

extension Selection {
  /// Runs of random length that cover about `density` of the positions below `end`.
  static func random(
    below end: Int, density: Double, longest: Int = 9, window: LocalWindow,
    _ numbers: inout TestNumbers
  ) -> Selection {
    var selection = Selection(window: window)
    var position = 0
    while position < end {
      let length = numbers.integer(1..<longest + 1)
      if Double(numbers.integer(0..<1000)) < density * 1000 {
        selection.keep(position..<min(position + length, end))
      }
      position += length
    }
    return selection
  }
}
