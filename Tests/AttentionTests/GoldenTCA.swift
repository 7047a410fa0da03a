import Foundation
import GGUF
import LabTestSupport
import Tensors

/// The small TCA case of an independent implementation in float64: 4 query heads, 2 KV heads, d 16, a prompt of 256
/// tokens, blocks of 16, a window of 32. See `Tests/Golden/README.md`.
struct GoldenTCA: Decodable {
  struct File: Decodable { var small: GoldenTCA }

  struct Candidate: Decodable {
    var mu: Double
    var sigma: Double
    var p: [Double]
    var psi_13: [Int]
    var mean: Double
    var decode_t: Int
  }

  struct Figures: Decodable {
    var size: Int
    var colmean: Double
    var meanmass: Double
    var q10mass: Double
    var lastblk: Double
  }

  struct Eviction: Decodable {
    var i: Int
    var E: Int
    var kept_in_new_block: [Int]
    var total_global: Int
  }

  struct Head: Decodable {
    var candidate: Int
    var calibration_table: [Figures]
    var calibration_choice: [String: [String: Int]]
    var block_scores: [Double]
    var block_order: [Int]
    var budgets: [Int]
    var selected: [Int]
    var evict_end: Int
    var kept_kv: Int
    var attended_pairs_sliding: Int
    var mass_rule_selected: [Int]
    var sinks4_selected: [Int]
    var decode_t: Int
    var decode: [Eviction]
  }

  struct Group: Decodable {
    var kv_head: Int
    var union: [Int]
    var gmean_p: [Double]
    var gmean_selected: [Int]
  }

  var candidates: [Candidate]
  var heads: [Head]
  var gqa: [Group]

  static let promptTokens = 256
  static let shape = AttentionShape(layers: 1, queryHeads: 4, kvHeads: 2, headDimension: 16)

  static func load() throws -> GoldenTCA {
    let data = try Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("golden.json")))
    return try JSONDecoder().decode(File.self, from: data).small
  }

  /// A tensor of the case, row-major.
  static func tensor(_ name: String, of file: String = "golden_small") throws -> [Float] {
    try SafetensorsFile(path: GoldenFiles.path(file + ".safetensors")).tensor(name).values
  }

  /// Tokens of a (heads x tokens x d) tensor as (tokens x heads·d).
  static func rows(_ name: String, _ tokens: Range<Int>) throws -> Matrix {
    let (shape, values) = try SafetensorsFile(path: GoldenFiles.path("golden_small.safetensors"))
      .tensor(name)
    let (heads, all, d) = (shape[0], shape[1], shape[2])
    var matrix = Matrix(rows: tokens.count, columns: heads * d)
    for head in 0..<heads {
      for (row, token) in tokens.enumerated() {
        for i in 0..<d { matrix[row, head * d + i] = values[(head * all + token) * d + i] }
      }
    }
    return matrix
  }
}
