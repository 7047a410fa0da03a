import Attention
import Foundation
import JSON
import Records
import Tensors
import Testing

@Suite("Settings that the authors of baselines evaluate")
struct FairSettingsTests {
  private static let prompt = 120

  private static func held(
    _ name: String, _ parameters: JSONValue, _ sequence: TestSequence
  ) throws -> [[[Int]]] {
    let shape = sequence.shape
    let session = try AttentionSession(name, parameters, shape: shape)
    return (0..<shape.layers).map { layer in
      sequence.run(session, 0..<prompt, .prefill, layer: layer)
      return (0..<shape.kvHeads).map { session.held($0, layer: layer) }
    }
  }

  @Test(
    "Knorm's skipped layers keep everything, the others the smallest keys of what is left of the budget",
    arguments: [(1, 90), (2, 60), (2, 119), (2, 48), (2, 49), (3, 24), (5, 30), (4, 120)])
  func knorm(skipped: Int, tokens: Int) throws {
    let shape = AttentionShape(layers: 5, queryHeads: 4, kvHeads: 2, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 3)
    let found = try Self.held(
      "knorm",
      ["skippedLayers": .integer(skipped), "budget": ["tokens": .integer(tokens)]], sequence)
    let rest = skipped < 5 ? (5 * tokens - skipped * Self.prompt) / (5 - skipped) : tokens
    let skips = skipped < 5 && rest > 0
    for (layer, heads) in found.enumerated() {
      let count = !skips ? tokens : layer < skipped ? Self.prompt : rest
      for (kvHead, held) in heads.enumerated() {
        // The newest, and of the others those with the smallest norms.
        let norms = (0..<Self.prompt - 1).map { (token: Int) -> Double in
          var sum = 0.0
          for channel in 0..<16 {
            let value = Double(sequence.attention.keys[token, kvHead * 16 + channel])
            sum += value * value
          }
          return sum
        }
        let smallest = norms.indices.sorted { norms[$0] < norms[$1] }.prefix(count - 1)
        #expect(held == (smallest + [Self.prompt - 1]).sorted(), "\(layer) \(kvHead)")
      }
    }
    let all = found.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } }
    #expect(all <= 10 * tokens && all > 10 * (tokens - 1))
  }

  @Test(
    "Quest's dense layers count: the others attend as with a budget of what is left, and all together hold it",
    arguments: [(5, 60), (5, 80), (5, 53), (5, 40), (2, 60), (5, 300)])
  func quest(layers: Int, tokens: Int) throws {
    let shape = AttentionShape(layers: layers, queryHeads: 4, kvHeads: 2, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 6)
    func step(_ parameters: [String: JSONValue], _ tokens: Int) throws -> [(Matrix, Int)] {
      let session = try AttentionSession(
        "quest", .object(parameters.merging(["budget": ["tokens": .integer(tokens)]]) { $1 }),
        shape: shape)
      return (0..<layers).map { layer in
        sequence.run(session, 0..<Self.prompt - 1, .prefill, layer: layer)
        let step = sequence.attend(
          session, Self.prompt - 1..<Self.prompt, .decode, layer: layer)
        return (step.output, step.outcome.pairs.reduce(0) { $0 + $1.nominal })
      }
    }
    let found = try step(["countsDenseLayers": true], tokens)
    let rest = (5 * tokens - 2 * Self.prompt) / 3
    let expected =
      layers == 2 || tokens >= Self.prompt
      ? try step([:], tokens)
      : rest >= 16 ? try step([:], rest) : try step(["denseLayers": 0], tokens)
    for (found, expected) in zip(found, expected) {
      #expect(found.0 == expected.0 && found.1 == expected.1)
    }
    let pairs = found.reduce(0) { $0 + $1.1 }
    #expect(pairs <= layers * shape.queryHeads * tokens)
    // Pages are whole ones, and the current one is not full.
    #expect(pairs > layers * shape.queryHeads * (min(tokens, Self.prompt) - 31))
  }

  @Test(
    "Expected attention's heads share a layer's budget as AdaKV's do: sinks, newest token and a floor, then the layer's best",
    arguments: [40, 7, 5, 3, 1, 119, 120], [0.0, 0.2, 0.7, 1])
  func expectedAttention(tokens: Int, floor: Double) throws {
    let shape = AttentionShape(layers: 1, queryHeads: 6, kvHeads: 3, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 8)
    let method = ExpectedAttention { $0.epsilon = 0.01 }
    let scores = (0..<3).map { method.scores(sequence.view(), kvHead: $0) }
    let parameters: [String: JSONValue] = [
      "epsilon": 0.01, "budget": ["tokens": .integer(tokens)],
    ]
    let found = try Self.held(
      "expected-attention",
      .object(
        parameters.merging(["headBudgets": "adaptive", "floorFraction": .number(floor)]) { $1 }),
      sequence)[0]

    let first = min(4, tokens - 1)
    var kept = (0..<3).map { _ in Set(Array(0..<first) + [Self.prompt - 1]) }
    let others = Array(first..<max(first, Self.prompt - 1))
    var open: [[Int]] = scores.map { own in
      others.sorted { (left: Int, right: Int) -> Bool in
        own[left] == own[right] ? left < right : own[left] > own[right]
      }
    }
    for head in 0..<3 {
      while kept[head].count < min(tokens, Int(floor * Double(tokens) + 1e-9)) {
        kept[head].insert(open[head].removeFirst())
      }
    }
    while kept.reduce(0, { $0 + $1.count }) < 3 * tokens {
      let best = (0..<3).filter { !open[$0].isEmpty }.max { (left: Int, right: Int) -> Bool in
        scores[left][open[left][0]] < scores[right][open[right][0]]
      }
      guard let best else { break }
      kept[best].insert(open[best].removeFirst())
    }
    #expect(found.map(Set.init) == kept)
    if floor == 1 {
      #expect(try Self.held("expected-attention", .object(parameters), sequence)[0] == found)
    }
  }

  @Test(
    "SnapKV, PyramidKV and AdaKV look at windows of their papers' sizes", arguments: [8, 16, 32])
  func windows(size: Int) throws {
    let shape = AttentionShape(layers: 1, queryHeads: 2, kvHeads: 2, headDimension: 16)
    let sequence = TestSequence(shape, tokens: Self.prompt, seed: 9)
    for name in ["snapkv", "pyramidkv", "adakv"] {
      let extra: [String: JSONValue] = name == "adakv" ? ["floorFraction": 1] : [:]
      let found = try Self.held(
        name,
        .object(
          extra.merging([
            "observationWindow": .integer(size), "kernel": 1, "budget": ["tokens": 50],
          ]) { $1 }), sequence)[0]
      for head in 0..<2 {
        var scores = [Double](repeating: 0, count: Self.prompt - size)
        for query in Self.prompt - size..<Self.prompt {
          let logits = (0...query).map { (key: Int) -> Double in
            exp(sequence.attention.logit(head: head, query: query, key: key))
          }
          let total = logits.reduce(0, +)
          for key in scores.indices { scores[key] += logits[key] / total }
        }
        let best = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(50 - size)
        #expect(found[head] == (best + Array(Self.prompt - size..<Self.prompt)).sorted(), "\(name)")
      }
    }
  }

  @Test("The oracles, TCA and what was filled in of it are named as such")
  func fidelity() {
    for description in StrategyRegistry.builtIn.descriptions {
      #expect(
        (description.fidelity == .oracle) == (description.role == .oracle), "\(description.name)")
      #expect(
        (description.fidelity == .reconstructed) == !description.choices.isEmpty,
        "\(description.name)")
    }
    #expect(TCA.about.fidelity == .reconstructed && TCA.about.choices.count > 5)
    #expect(TCA().criterion == .columnMean)
  }
}
