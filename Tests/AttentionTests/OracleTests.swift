import Attention
import Foundation
import JSON
import Records
import Tensors
import Testing

@Suite("Oracles that select for each query")
struct OracleTests {
  private static let shape = AttentionSessionTests.shape
  private static var sequence: TestSequence { TestSequence(shape, tokens: 150, seed: 9) }

  /// The softmax of a query over the keys up to it, in double precision.
  private static func weights(head: Int, query: Int, of view: LayerView) -> [Double] {
    let d = shape.headDimension
    let keys = view.heads[shape.kvHead(of: head)].keys
    let logits = (0...query).map { key in
      (0..<d).reduce(0.0) {
        $0 + Double(view.queries[query, head * d + $1])
          * Double(keys.elements[keys.firstElement + key * d + $1])
      } / Double(d).squareRoot()
    }
    let largest = logits.max() ?? 0
    let exponentials = logits.map { exp($0 - largest) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { $0 / sum }
  }

  private static func attended(_ selection: Selection, by query: Int) -> [Int] {
    (0...query).filter { selection.attends(to: $0, fromQuery: query) }
  }

  @Test(
    "Top-k is the query's own key and the best others by a full sort", arguments: [1, 2, 7, 40])
  func topK(keys: Int) {
    let view = Self.sequence.view()
    for head in 0..<Self.shape.queryHeads {
      for query in [0, 1, 6, 39, 40, 41, 149] {
        let weights = Self.weights(head: head, query: query, of: view)
        let best = (0..<query).sorted { weights[$0] > weights[$1] }.prefix(keys - 1)
        let selection = OracleSelector.select(.keys(keys), view, head: head, query: query)
        #expect(
          Self.attended(selection, by: query)
            == (keys > query ? Array(0...query) : (Array(best) + [query]).sorted()),
          "head \(head), query \(query)")
      }
    }
  }

  @Test("Top-p is the fewest keys that hold the mass", arguments: [0.1, 0.5, 0.9, 0.99])
  func topP(mass: Double) {
    let view = Self.sequence.view()
    for head in 0..<Self.shape.queryHeads {
      for query in [0, 1, 6, 40, 149] {
        let weights = Self.weights(head: head, query: query, of: view)
        var sum = weights[query]
        var wanted = [query]
        for key in (0..<query).sorted(by: { weights[$0] > weights[$1] }) where sum < mass {
          sum += weights[key]
          wanted.append(key)
        }
        let selection = OracleSelector.select(.mass(mass), view, head: head, query: query)
        #expect(
          Self.attended(selection, by: query) == wanted.sorted(), "head \(head), query \(query)")
      }
    }
  }

  @Test(
    "Every prompt query attends to as many keys as there are, up to the budget; phases can be left dense"
  )
  func pairs() throws {
    let causal = 100 * 101 / 2
    let bound = 20 * 21 / 2 + 80 * 20
    let cases: [(prefill: Bool, decode: Bool, prompt: Int, step: Int)] = [
      (true, true, bound, 20), (false, true, causal, 20), (true, false, bound, 101),
    ]
    for (prefill, decode, prompt, step) in cases {
      let session = try AttentionSession(
        "oracle-top-k",
        [
          "budget": ["tokens": 20], "prefill": .boolean(prefill), "decode": .boolean(decode),
        ])
      let first = Self.sequence.attend(session, 0..<100, .prefill).outcome
      #expect(first.pairs.allSatisfy { $0.nominal == prompt })
      let next = Self.sequence.attend(session, 100..<101, .decode).outcome
      #expect(next.pairs.allSatisfy { $0.nominal == step })
      #expect(session.tokensHeld == 2 * 101)
    }
  }

  @Test("A density gives each query as many keys as it allows over the prompt")
  func density() throws {
    let session = try AttentionSession(
      "oracle-top-k", ["budget": ["density": 0.3]])
    let outcome = Self.sequence.attend(session, 0..<100, .prefill).outcome
    let density = Double(outcome.pairs[0].nominal) / Double(100 * 101 / 2)
    #expect(density <= 0.3 && density > 0.28)
  }

  @Test("Budgets of the other kind are refused")
  func budgets() {
    for (name, budget) in [
      ("oracle-top-k", ["mass": 0.5]), ("oracle-top-p", ["tokens": 5]),
    ] as [(String, JSONValue)] {
      let error = #expect(throws: ConfigurationError.self) {
        try AttentionSession(name, ["budget": budget])
      }
      #expect(error?.parameter == "budget")
    }
  }
}
