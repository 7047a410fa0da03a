import Attention
import Foundation
import JSON
import Records
import Tensors
import Testing

@testable import Calibration

/// The offline phase of tca-plus against the definition, query by query in Double.
@Suite("Calibration of tca-plus")
struct TCAPlusCalibrationTests {
  static let shape = AttentionShape(layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16)

  @Test("Masses are those that nine pairs in ten keep", arguments: TCAPlus.Importance.allCases)
  func evidence(importance: TCAPlus.Importance) throws {
    let tokens = 150
    let window = LocalWindow(width: 32, alignment: 32)
    let parameters: JSONValue = [
      "localWindow": 32, "sinks": 2, "importanceQueries": 16, "calibrationLength": 150,
      "importance": .string(importance.rawValue),
    ]
    let strategy = try TCAPlus.of(parameters, shape: Self.shape)
    _ = try #require(try strategy.calibrationRequest(contextLength: tokens))
    let sequence = CalibrationSequence(Self.shape, tokens: tokens, seed: 8)
    let evidence = try strategy.evidence(sequence).decode(as: TCAPlusEvidence.self)
    #expect(evidence.tokens == tokens && evidence.queryHeadsPerKVHead == 3)

    let sampled = (1...16).map { $0 * tokens / 16 - 1 }
    let end = window.start(forQuery: tokens - 1)
    for kvHead in 0..<2 {
      let rows = (3 * kvHead..<3 * kvHead + 3).map { head in
        (0..<tokens).map { sequence.weights(head: head, query: $0) }
      }
      // The importance of each key, by its definition.
      var mass = [Double](repeating: 0, count: tokens)
      for head in rows {
        switch importance {
        case .sampled:
          for query in sampled {
            for key in 0..<window.start(forQuery: query) { mass[key] += head[query][key] }
          }
        case .last:
          for query in tokens - 16..<tokens {
            for key in 0...query { mass[key] += head[query][key] }
          }
        }
      }
      let order = (2..<end).sorted { mass[$0] > mass[$1] }
      for (index, share) in TCAPlus.fractions.enumerated() {
        let count = Int((share * Double(end)).rounded(.up))
        let kept = Set(order.prefix(count) + [0, 1])
        var retained: [Double] = []
        for head in rows {
          for query in 0..<tokens where window.start(forQuery: query) > 0 {
            let start = window.start(forQuery: query)
            retained.append(
              (0...query).reduce(0) {
                $0 + ($1 >= start || kept.contains($1) ? head[query][$1] : 0)
              })
          }
        }
        retained.sort()
        let position = 0.1 * Double(retained.count - 1)
        let lower = Int(position)
        let expected =
          retained[lower] + (retained[lower + 1] - retained[lower]) * (position - Double(lower))
        #expect(abs(evidence.quantileMass[kvHead][index] - expected) < 2e-5)
      }
    }
  }

  @Test("The least share that reaches the threshold is chosen, for all query heads of a KV head")
  func choice() throws {
    var masses = (0..<TCAPlus.fractions.count).map { 0.5 + Double($0) / 40 }
    let evidence = TCAPlusEvidence(
      tokens: 10, queryHeadsPerKVHead: 2, quantileMass: [masses, [], masses.map { $0 - 0.4 }])
    #expect(evidence.choose(threshold: 0.6) == [4, 4, -1, -1, -1, -1])
    #expect(evidence.choose(threshold: 0.29) == [0, 0, -1, -1, 8, 8])
    let value = try JSONValue(encoding: evidence)
    let resolved = try TCAPlus.of(
      ["threshold": 0.6, "budget": ["matching": "tca"]], shape: Self.shape
    ).calibrated(by: value).strategy
    #expect(resolved.heads == [4, 4, -1, -1, -1, -1])
    masses.removeLast()
    let damaged = try JSONValue(
      encoding: TCAPlusEvidence(tokens: 10, queryHeadsPerKVHead: 2, quantileMass: [masses]))
    #expect(throws: CalibrationError.damagedEvidence(strategy: "tca-plus")) {
      try TCAPlus().calibrated(by: damaged)
    }
  }

  @Test("Only what decides the evidence asks for another pass")
  func options() throws {
    func request(_ parameters: JSONValue) throws -> CalibrationRequest? {
      try TCAPlus.of(parameters, shape: Self.shape).calibrationRequest(contextLength: 8192)
    }
    let base = try request([:])
    #expect(base?.tokens == 2048 && base?.corpus == "emma")
    let same: [JSONValue] = [
      ["threshold": 0.5], ["coldTier": "q8"], ["decodeDensity": 1], ["prefill": false],
      ["headBudgets": "uniform"], ["budget": ["fraction": 0.3]], ["denseQueries": 0],
    ]
    for parameters in same { #expect(try request(parameters) == base) }
    let others: [JSONValue] = [
      ["localWindow": 64], ["sinks": 0], ["importance": "last"], ["importanceQueries": 32],
    ]
    for parameters in others { #expect(try request(parameters) != base) }
    #expect(try request(["heads": [1]]) == nil)
    #expect(try request(["localWindow": 100_000])?.tokens == 8192)
    #expect(throws: ConfigurationError.self) { try request(["calibrationLength": 9000]) }
  }
}
