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
    var psi13: [Int]
    var mean: Double
    var decodeT: Int
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
    var end: Int
    var keptInNewBlock: [Int]
    var totalGlobal: Int

    enum CodingKeys: String, CodingKey {
      case i, keptInNewBlock, totalGlobal
      case end = "E"
    }
  }

  struct Head: Decodable {
    var candidate: Int
    var calibrationTable: [Figures]
    var calibrationChoice: [String: [String: Int]]
    var blockScores: [Double]
    var blockOrder: [Int]
    var budgets: [Int]
    var selected: [Int]
    var evictEnd: Int
    var keptKv: Int
    var attendedPairsSliding: Int
    var massRuleSelected: [Int]
    var sinks4Selected: [Int]
    var decodeT: Int
    var decode: [Eviction]
  }

  struct Group: Decodable {
    var kvHead: Int
    var union: [Int]
    var gmeanP: [Double]
    var gmeanSelected: [Int]
  }

  var candidates: [Candidate]
  var heads: [Head]
  var gqa: [Group]

  static let promptTokens = 256
  static let shape = AttentionShape(layers: 1, queryHeads: 4, kvHeads: 2, headDimension: 16)

  static func load() throws -> GoldenTCA {
    let data = try Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("golden.json")))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(File.self, from: data).small
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

  /// Queries, keys and values of the first tokens.
  static func attention(tokens: Int) throws -> ReferenceAttention {
    ReferenceAttention(
      shape: shape, queries: try rows("q", 0..<tokens), keys: try rows("k", 0..<tokens),
      values: try rows("v", 0..<tokens))
  }
}
