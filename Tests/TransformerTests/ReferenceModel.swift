import Foundation
import GGUF
import Transformer

/// The llama architecture written out in Double: one token, one head and one number at a time.
struct ReferenceModel {
  let blueprint: DecoderBlueprint
  private let ropeBase: Double
  private let matrices: [String: [[Double]]]

  init(_ file: GGUFFile, _ blueprint: DecoderBlueprint) throws {
    self.blueprint = blueprint
    ropeBase = try file.number("llama.rope.freq_base")
    var matrices: [String: [[Double]]] = [:]
    for tensor in file.tensors {
      let weights = try file.weightMatrix(tensor.name)
      matrices[tensor.name] = (0..<weights.rows).map { row in
        weights.dequantizedRows(row..<row + 1).elements.map(Double.init)
      }
    }
    self.matrices = matrices
  }

  /// Final hidden states of all tokens, positions 0….
  func hidden(_ tokens: [Int32]) -> [[Double]] {
    var stream = tokens.map { matrix("token_embd")[Int($0)] }
    for layer in 0..<blueprint.shape.layers {
      let prefix = "blk.\(layer)."
      let attended = attention(stream.map { norm($0, prefix + "attn_norm") }, prefix)
      stream = zip(stream, attended).map(add)
      stream = stream.map { row in
        let normed = norm(row, prefix + "ffn_norm")
        let gate = product(matrix(prefix + "ffn_gate"), normed)
        let up = product(matrix(prefix + "ffn_up"), normed)
        let inner = zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }
        return add(row, product(matrix(prefix + "ffn_down"), inner))
      }
    }
    return stream.map { norm($0, "output_norm") }
  }

  func logits(_ hidden: [Double]) -> [Double] {
    product(matrices["output.weight"] ?? matrix("token_embd"), hidden)
  }

  private func attention(_ rows: [[Double]], _ prefix: String) -> [[Double]] {
    let d = blueprint.shape.headDimension
    let queries = rows.enumerated().map { position, row in
      rotate(product(matrix(prefix + "attn_q"), row), position)
    }
    let keys = rows.enumerated().map { position, row in
      rotate(product(matrix(prefix + "attn_k"), row), position)
    }
    let values = rows.map { product(matrix(prefix + "attn_v"), $0) }
    return rows.indices.map { i in
      var heads: [Double] = []
      for head in 0..<blueprint.shape.queryHeads {
        let kvHead = head * blueprint.shape.kvHeads / blueprint.shape.queryHeads
        let weights = (0...i).map { j in
          var logit = 0.0
          for k in 0..<d { logit += queries[i][head * d + k] * keys[j][kvHead * d + k] }
          return exp(logit / Double(d).squareRoot())
        }
        let total = weights.reduce(0, +)
        for k in 0..<d {
          heads.append(
            (0...i).reduce(0.0) { $0 + weights[$1] * values[$1][kvHead * d + k] } / total)
        }
      }
      return product(matrix(prefix + "attn_output"), heads)
    }
  }

  /// Turns the pairs (0, 1), (2, 3), … of every head.
  private func rotate(_ row: [Double], _ position: Int) -> [Double] {
    let d = blueprint.shape.headDimension
    var turned = row
    for first in stride(from: 0, to: row.count, by: 2) {
      let exponent = Double(first % d) / Double(d)
      let angle = Double(position) / pow(ropeBase, exponent)
      turned[first] = row[first] * cos(angle) - row[first + 1] * sin(angle)
      turned[first + 1] = row[first] * sin(angle) + row[first + 1] * cos(angle)
    }
    return turned
  }

  private func norm(_ row: [Double], _ name: String) -> [Double] {
    let meanSquare = row.reduce(0) { $0 + $1 * $1 } / Double(row.count)
    let scale = 1 / (meanSquare + Double(blueprint.rmsEpsilon)).squareRoot()
    return zip(row, matrix(name)[0]).map { $0 * scale * $1 }
  }

  private func product(_ matrix: [[Double]], _ vector: [Double]) -> [Double] {
    matrix.map { row in zip(row, vector).reduce(0) { $0 + $1.0 * $1.1 } }
  }

  private func add(_ left: [Double], _ right: [Double]) -> [Double] { zip(left, right).map(+) }

  /// Vectors are matrices of one row. The test's own file has every tensor.
  private func matrix(_ name: String) -> [[Double]] { matrices[name + ".weight"]! }
}
