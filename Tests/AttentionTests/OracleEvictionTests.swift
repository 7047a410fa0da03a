import Attention
import Foundation
import JSON
import Tensors
import Testing

@Suite("The oracle of eviction")
struct OracleEvictionTests {
  private static let shape = AttentionShape(
    layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 16)
  private static let tokens = 120
  private static let prompt = 90
  /// One for each layer.
  private static var sequences: [TestSequence] {
    (0..<shape.layers).map {
      TestSequence(shape, tokens: tokens, seed: 5 + $0, deviation: 1.1)
    }
  }

  private static func session(
    _ name: String, _ parameters: JSONValue = [:]
  ) throws -> AttentionSession {
    try AttentionSession(name, parameters, shape: shape, promptTokens: prompt)
  }

  private static func run(_ session: any LayerAttention, step: Int = 1) {
    for layer in 0..<shape.layers {
      sequences[layer].run(session, 0..<prompt, .prefill, layer: layer)
    }
    for first in stride(from: prompt, to: tokens, by: step) {
      for layer in 0..<shape.layers {
        sequences[layer].run(
          session, first..<min(first + step, tokens), .decode, layer: layer)
      }
    }
  }

  private static func future(step: Int = 1) throws -> FutureAttention {
    let recorder = FutureRecorder(try session("full"))
    run(recorder, step: step)
    return recorder.future
  }

  /// The mass of each prompt token in double precision, by layer and KV head.
  private static var masses: [[[Double]]] {
    (0..<shape.layers).map { layer in
      let reference = sequences[layer].attention
      return (0..<shape.kvHeads).map { kvHead in
        var mass = [Double](repeating: 0, count: prompt)
        for head in shape.queryHeads(of: kvHead) {
          for query in prompt..<tokens {
            let exponentials = (0...query).map {
              exp(reference.logit(head: head, query: query, key: $0))
            }
            let sum = exponentials.reduce(0, +)
            let weights = exponentials.map { $0 / sum }
            for key in 0..<prompt { mass[key] += weights[key] }
          }
        }
        return mass
      }
    }
  }

  @Test(
    "The future is the mass of later queries, however many are decoded together",
    arguments: [1, 7, 30])
  func future(step: Int) throws {
    let future = try Self.future(step: step)
    #expect(future.promptTokens == Self.prompt)
    for (heads, wanted) in zip(future.masses, Self.masses) {
      for (mass, wanted) in zip(heads, wanted) {
        #expect(zip(mass, wanted).allSatisfy { abs($0 - $1) < 1e-4 })
      }
    }
  }

  private static func kept(
    _ name: String, _ parameters: JSONValue
  ) throws -> [[[Int]]] {
    let session = try session(name, parameters)
    if session.readsFuture { session.foresee(try future()) }
    for layer in 0..<shape.layers {
      sequences[layer].run(session, 0..<prompt, .prefill, layer: layer)
    }
    return (0..<shape.layers).map { layer in
      (0..<shape.kvHeads).map { session.held($0, layer: layer) }
    }
  }

  private static func mass(of kept: [[[Int]]]) -> Double {
    let masses = masses
    return kept.indices.reduce(0.0) { sum, layer in
      kept[layer].indices.reduce(sum) { sum, head in
        kept[layer][head].reduce(sum) { $0 + masses[layer][head][$1] }
      }
    }
  }

  @Test(
    "It keeps the newest token and the best by a full sort, of each head, each layer or the model",
    arguments: [("head", 1), ("layer", 2), ("model", 4)])
  func selection(scope: String, together: Int) throws {
    let kept = try Self.kept(
      "oracle-eviction", ["scope": .string(scope), "budget": ["tokens": 20]]
    ).flatMap { $0 }
    let masses = Self.masses.flatMap { $0 }
    for first in stride(from: 0, to: masses.count, by: together) {
      let group = first..<first + together
      let ranked = group.flatMap { head in (0..<Self.prompt - 1).map { (head, $0) } }
        .sorted { masses[$0.0][$0.1] > masses[$1.0][$1.1] }
      var wanted = group.map { _ in [Self.prompt - 1] }
      for (head, token) in ranked.prefix(together * 19) { wanted[head - first].append(token) }
      #expect(Array(kept[group]) == wanted.map { $0.sorted() })
    }
  }

  @Test("No method that evicts after the prompt keeps more mass with as many tokens")
  func optimal() throws {
    let methods = StrategyRegistry.builtIn.descriptions.filter {
      $0.phases == [.retention] && !$0.readsFuture && $0.budgets.contains(.tokens)
    }
    #expect(methods.count >= 9)
    for method in methods {
      let kept = try Self.kept(method.name, ["budget": ["tokens": 18]])
      let counts = kept.flatMap { $0.map(\.count) }
      let isEven = Set(counts).count == 1
      // An oracle with no fewer tokens; of the same kind, uneven only where the method is.
      let size = (counts.reduce(0, +) + counts.count - 1) / counts.count
      let oracle = try Self.kept(
        "oracle-eviction",
        ["scope": isEven ? "head" : "model", "budget": ["tokens": .integer(size)]])
      #expect(Self.mass(of: kept) <= Self.mass(of: oracle) + 1e-4, "\(method.name)")
    }
  }

  @Test("More is shared, more is kept; a budget that covers the prompt keeps all of it")
  func scopes() throws {
    let masses = try ["head", "layer", "model"].map {
      Self.mass(
        of: try Self.kept("oracle-eviction", ["scope": .string($0), "budget": ["tokens": 20]]))
    }
    #expect(masses[0] < masses[1] && masses[1] < masses[2])
    let all = try Self.kept("oracle-eviction", ["budget": ["tokens": 90]])
    #expect(all.allSatisfy { $0.allSatisfy { $0 == Array(0..<Self.prompt) } })
  }

  @Test("As a part of a composition it keeps the same")
  func composed() throws {
    let alone = try Self.kept("oracle-eviction", ["budget": ["tokens": 20]])
    let part = try Self.kept(
      "composed",
      [
        "prefill": ["name": "a-shape", "localWindow": 16],
        "retention": ["name": "oracle-eviction", "budget": ["tokens": 20]],
      ])
    #expect(alone == part)
  }
}
