import Attention
import Calibration
import Foundation
import JSON
import Records
import Tensors
import Testing

@Suite("How a spec's duo-attention is calibrated")
struct DuoAttentionCalibrationTests {
  private static func shape(_ rotary: RotaryEmbedding?) -> AttentionShape {
    AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 8, rotary: rotary)
  }

  private static func strategy(_ parameters: JSONValue) throws -> DuoAttention {
    try DuoAttention.of(parameters, shape: shape(nil))
  }

  private static func evidence(_ shape: AttentionShape, tokens: Int) throws -> JSONValue {
    let strategy = try strategy([:])
    let request = try #require(try strategy.calibrationRequest(contextLength: tokens))
    #expect(request.tokens == tokens && request.corpus == "emma")
    return try strategy.evidence(CalibrationSequence(shape, tokens: tokens, seed: 3))
  }

  /// Turns a row by some positions, as a matrix of the formula.
  private static func turned(_ x: [Double], by position: Double, _ rotary: RotaryEmbedding)
    -> [Double]
  {
    var x = x
    for (pair, frequency) in rotary.frequencies.enumerated() {
      let (a, b) =
        rotary.layout == .interleaved
        ? (2 * pair, 2 * pair + 1) : (pair, pair + rotary.frequencies.count)
      let (cosine, sine) = (cos(position * frequency), sin(position * frequency))
      (x[a], x[b]) = (x[a] * cosine - x[b] * sine, x[a] * sine + x[b] * cosine)
    }
    return x
  }

  @Test(
    "A head's score is the mean cumulative attention of its mean query over 500 of its mean key",
    arguments: [RotaryEmbedding.Layout.interleaved, .halfSplit])
  func scores(layout: RotaryEmbedding.Layout) throws {
    let rotary = RotaryEmbedding(base: 50, dimensions: 8, layout: layout)
    let shape = Self.shape(rotary)
    let tokens = 40
    let found = try Self.evidence(shape, tokens: tokens).decode(as: DuoAttentionEvidence.self)
    #expect(found.tokens == tokens && found.layers == 2 && found.kvHeads == 2)
    let sequence = CalibrationSequence(shape, tokens: tokens, seed: 3).attention
    func mean(_ matrix: Matrix, head: Int) -> [Double] {
      var sum = [Double](repeating: 0, count: 8)
      for row in 0..<tokens {
        let x = (0..<8).map { Double(matrix[row, head * 8 + $0]) }
        for (i, value) in Self.turned(x, by: -Double(row), rotary).enumerated() { sum[i] += value }
      }
      return sum.map { $0 / Double(tokens) }
    }
    for kvHead in 0..<2 {
      let key = mean(sequence.keys, head: kvHead)
      var score = 0.0
      for head in kvHead * 3..<kvHead * 3 + 3 {
        let query = Self.turned(mean(sequence.queries, head: head), by: 499, rotary)
        let weights = (0..<500).map { position in
          exp(
            zip(query, Self.turned(key, by: Double(position), rotary)).reduce(0) {
              $0 + $1.0 * $1.1
            } / 8.0.squareRoot())
        }
        let total = weights.reduce(0, +)
        for end in 0..<500 { score += weights[...end].reduce(0, +) / total / 500 / 3 }
      }
      // Both layers of the sequence are alike.
      #expect(abs(found.scores[kvHead] - score) < 1e-6)
      #expect(found.scores[2 + kvHead] == found.scores[kvHead])
    }
  }

  @Test("Without a known rotation all heads score alike: attention is even")
  func noRotation() throws {
    let found = try Self.evidence(Self.shape(nil), tokens: 30).decode(
      as: DuoAttentionEvidence.self)
    #expect(found.scores.allSatisfy { abs($0 - 0.501) < 1e-9 })
  }

  @Test("Scores become the parameter heads; damaged evidence is refused, given heads need none")
  func resolving() throws {
    let evidence: JSONValue = [
      "tokens": 30, "layers": 2, "kvHeads": 2, "scores": [0.1, 0.5, 0.25, 1],
    ]
    let (resolved, remark) = try Self.strategy(["sparsity": 0.25]).calibrated(by: evidence)
    #expect(resolved.sparsity == 0.25 && resolved.heads == [0.1, 0.5, 0.25, 1] && remark == nil)
    for damaged: JSONValue in [
      [:], ["tokens": 30, "layers": 2, "kvHeads": 2, "scores": [0.1]],
      ["tokens": 30, "layers": 1, "kvHeads": 1, "scores": [1.5]],
    ] {
      #expect(throws: CalibrationError.damagedEvidence(strategy: "duo-attention")) {
        try Self.strategy([:]).calibrated(by: damaged)
      }
    }
    #expect(
      try Self.strategy(["heads": [0, 1]]).calibrationRequest(contextLength: 8192) == nil)
    #expect(try Self.strategy([:]).calibrationRequest(contextLength: 8192)?.tokens == 2048)
    #expect(throws: ConfigurationError.self) {
      try Self.strategy(["calibrationLength": 9000]).calibrationRequest(contextLength: 8192)
    }
  }
}
