import Attention
import Foundation
import Kernels
import Tensors
import Threads

/// How far back each KV head attends, without training: kvpress's substitute for DuoAttention's gates.
///
/// Of each query head the mean query, of its KV head the mean key, both before rotation. Both are repeated over
/// `positions` tokens and rotated; with a_j the softmax of the last query over all of them, the head's score is the
/// mean over i of Σ_{j ≤ i} a_j: near 1/positions where it attends to the newest token alone, near 1 where to the first.
/// A KV head has the mean of its query heads. Where no rotation is known all heads score alike.
///
/// Queries and keys arrive rotated and are turned back, which is exact but for rounding.
public struct DuoAttentionCalibrator: Calibrator {
  /// Tokens over which means are repeated: kvpress's `q_len`.
  static let positions = 500

  private let shape: AttentionShape
  /// By layer.
  private let rotary: [RotaryTable?]
  private var tokens = 0
  private var scores: [Double] = []

  /// Nothing decides but the text.
  public struct Options: Codable, Hashable, Sendable {
    public init() {}
  }

  public init(_ options: Options, for shape: AttentionShape) {
    self.shape = shape
    rotary = RotaryTable.tables(of: shape)
  }

  public mutating func observe(_ layer: LayerView) {
    tokens = layer.queries.rows
    let queries = means(layer.queries, of: layer)
    for (kvHead, head) in layer.heads.enumerated() {
      let keys = head.keys
      let rows = keys.firstElement..<keys.firstElement + keys.count * keys.width
      let key = means(
        Matrix(rows: keys.count, columns: keys.width, elements: Array(keys.elements[rows])),
        of: layer)
      let d = shape.headDimension
      let group = shape.queryHeads(of: kvHead).map { queryHead in
        reach(Array(queries[queryHead * d..<(queryHead + 1) * d]), key, layer.geometry)
      }
      scores.append(group.reduce(0, +) / Double(group.count))
    }
  }

  public consuming func finish() -> DuoAttentionEvidence {
    precondition(
      scores.count == shape.layers * shape.kvHeads,
      "DuoAttentionCalibrator.finish: \(scores.count) scores for \(shape.layers) layers x \(shape.kvHeads) KV heads"
    )
    return DuoAttentionEvidence(
      tokens: tokens, layers: shape.layers, kvHeads: shape.kvHeads,
      scores: scores.map { ($0 * 1e7).rounded() / 1e7 })
  }

  /// The mean of each column before rotation; row i is the token at position i.
  private func means(_ matrix: Matrix, of layer: LayerView) -> [Double] {
    var matrix = matrix
    rotary[layer.layer]?.turn(
      &matrix, rows: 0..<matrix.rows, firstPosition: 0, to: 0,
      workers: layer.workspace.workers)
    var sums = [Double](repeating: 0, count: matrix.columns)
    for row in 0..<matrix.rows {
      for column in 0..<matrix.columns { sums[column] += Double(matrix[row, column]) }
    }
    return sums.map { $0 / Double(matrix.rows) }
  }

  /// The mean of the cumulative attention of the last query. What rotation leaves of a product depends on the distance
  /// alone: Σ over pairs of (q·k) cos θ + (q × k) sin θ, θ the distance times the pair's frequency.
  private func reach(_ query: [Double], _ key: [Double], _ geometry: LayerGeometry) -> Double {
    let d = shape.headDimension
    let frequencies = geometry.rotary?.frequencies ?? []
    let pairs = frequencies.indices.map { pair -> (dot: Double, cross: Double) in
      let (a, b) =
        geometry.rotary?.layout == .halfSplit
        ? (pair, pair + frequencies.count) : (2 * pair, 2 * pair + 1)
      return (
        query[a] * key[a] + query[b] * key[b], query[a] * key[b] - query[b] * key[a]
      )
    }
    // Dimensions beyond the pairs are not turned.
    let still = (2 * frequencies.count..<d).reduce(0) { $0 + query[$1] * key[$1] }
    let logits = (0..<Self.positions).map { position -> Double in
      let distance = Double(Self.positions - 1 - position)
      let turned = zip(pairs, frequencies).reduce(0) { sum, pair in
        let angle = distance * pair.1
        return sum + pair.0.dot * cos(angle) + pair.0.cross * sin(angle)
      }
      return (still + turned) * geometry.scale
    }
    let largest = logits.max() ?? 0
    var total = 0.0
    var area = 0.0
    for logit in logits {
      total += exp(logit - largest)
      area += total
    }
    return area / total / Double(Self.positions)
  }
}

/// What DuoAttention's offline pass found out.
public struct DuoAttentionEvidence: CalibrationEvidence {
  /// Tokens of the calibration text.
  public var tokens: Int
  public var layers: Int
  public var kvHeads: Int
  /// By layer and KV head, in 0…1, in steps of 1e-7; higher reaches further back.
  public var scores: [Double]

  public var isConsistent: Bool {
    layers > 0 && kvHeads > 0 && scores.count == layers * kvHeads
      && scores.allSatisfy { (0...1).contains($0) }
  }
}
