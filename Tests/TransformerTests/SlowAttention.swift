import Attention
import Foundation
import Tensors

/// Attention the obvious way, in Double, over everything it has been given: each query over the keys
/// in its layer's window.
final class SlowAttention: LayerAttention {
  let shape: AttentionShape
  private var keys: [[[Float]]]
  private var values: [[[Float]]]

  init(_ shape: AttentionShape) {
    self.shape = shape
    keys = Array(repeating: [], count: shape.layers)
    values = keys
  }

  func cache(
    layer: Int, phase: AttentionPhase, keys: Matrix, values: Matrix, firstPosition: Int
  ) {
    for row in 0..<keys.rows {
      self.keys[layer].append((0..<keys.columns).map { keys[row, $0] })
      self.values[layer].append((0..<values.columns).map { values[row, $0] })
    }
  }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    let geometry = shape.geometry[layer]
    let d = shape.headDimension
    var output = Matrix(rows: queries.rows, columns: queries.columns)
    for row in 0..<queries.rows {
      let position = firstPosition + row
      let seen = (0...position).filter { position - $0 < geometry.window ?? .max }
      for head in 0..<shape.queryHeads {
        let kvHead = shape.kvHead(of: head)
        let weights = seen.map { key in
          var product = 0.0
          for i in 0..<d {
            product +=
              Double(queries[row, head * d + i]) * Double(self.keys[layer][key][kvHead * d + i])
          }
          return exp(geometry.scale * product)
        }
        let total = weights.reduce(0, +)
        for i in 0..<d {
          let sum = zip(seen, weights).reduce(0.0) {
            $0 + $1.1 * Double(self.values[layer][$1.0][kvHead * d + i])
          }
          output[row, head * d + i] = Float(sum / total)
        }
      }
    }
    take(0..<queries.rows, output)
    return AttentionOutcome(logSumExp: [], pairs: [])
  }

  func queriesDecodedTogether(from position: Int) -> Int { .max }
}
