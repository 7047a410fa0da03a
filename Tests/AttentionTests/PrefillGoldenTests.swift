import Foundation
import JSON
import LabTestSupport
import Testing

/// The stored selections of `scripts/vectors/prefill_sparsity.py`: float64, whole masks and full sorts.
@Suite("Prefill sparsity against an independent reference")
struct PrefillGoldenTests {
  private struct Golden: Decodable {
    struct Case: Decodable {
      var strategy: String
      var parameters: JSONValue
      var promptTokens: Int
      /// By query head and block of queries: what its last query attends to, as [first, end).
      var runs: [[[[Int]]]]
    }

    var cases: [Case]
  }

  @Test("Every query attends to what the reference attends to")
  func cases() throws {
    let golden = try JSONDecoder().decode(
      Golden.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("prefill-sparsity.json"))))
    #expect(
      Set(golden.cases.map(\.strategy)) == ["minference", "flex-prefill", "xattention"])
    for example in golden.cases {
      let tokens = 0..<example.promptTokens
      let sequence = TestSequence(try GoldenTCA.attention(tokens: tokens.count))
      let attended = try PrefillWatch.attended(example.strategy, example.parameters, sequence)
      let size = example.parameters["blockSize"]?.integerValue ?? 64
      let place = "\(example.strategy) \(example.parameters.canonicalText), \(tokens.count) tokens"
      for (head, blocks) in example.runs.enumerated() {
        for query in tokens {
          let last = Set(blocks[query / size].flatMap { $0[0]..<$0[1] })
          // The last query attends to itself in any case; for the others it shows what the block attends to.
          let isLast = query == min((query / size + 1) * size, tokens.count) - 1
          let shown = isLast ? last : last.filter { $0 < query }.union([query])
          #expect(attended[head][query] == shown, "\(place), head \(head), query \(query)")
        }
      }
    }
  }
}
