import Attention
import JSON
import Tensors
import Testing

@Suite("Attention of prompts of several pieces")
struct LongPromptTests {
  static let count = 8300

  @Test("Pieces come in order, and each row is attention over what was selected for it")
  func pieces() throws {
    let sequence = TestSequence(AttentionSessionTests.shape, tokens: Self.count, seed: 5)
    let borders = TokenPieces.of(Self.count)
    #expect(borders.count > 2)
    for (name, parameters) in strategiesOfEachKind {
      let session = try AttentionSession(name, parameters, promptTokens: Self.count)
      let log = SelectionLog(session)
      session.cache(
        layer: 0, phase: .prefill, keys: sequence.attention.keys,
        values: sequence.attention.values, firstPosition: 0)
      var taken: [Range<Int>] = []
      var output = Matrix(rows: Self.count, columns: sequence.attention.queries.columns)
      session.attend(
        layer: 0, phase: .prefill, queries: sequence.attention.queries, firstPosition: 0
      ) { rows, piece in
        taken.append(rows)
        output.replaceRows(from: rows.lowerBound, with: piece, rows: 0..<rows.count)
      }
      #expect(taken == borders, "\(name)")
      // Seen at other positions, keys give other logits; StreamingLLMTests compares those.
      guard session.logitsAreDense || name == "tca-plus" else { continue }
      for row in borders.flatMap({ [$0.lowerBound, $0.lowerBound + 1, $0.upperBound - 1] }) {
        let block = try #require(log.blocks.first { $0.queries.contains(row) })
        for head in [0, 5] {
          let selection = block.selections[head]
          let attended = (0...row).filter { key in
            key >= selection.window.start(forQuery: row)
              || selection.runs.contains { $0.contains(key) }
          }
          let expected = sequence.attention.attend(head: head, query: row, to: attended).output
          for i in 0..<16 where !(abs(Double(output[row, head * 16 + i]) - expected[i]) < 1e-5) {
            Issue.record("\(name), row \(row), head \(head): \(output[row, head * 16 + i])")
            return
          }
        }
      }
    }
  }

  @Test("Rows at positions of their own do not depend on how many follow")
  func cacheRelative() throws {
    let rotary = RotaryEmbedding(base: 10_000, dimensions: 16, layout: .halfSplit)
    let shape = AttentionShape(
      queryHeads: 2, kvHeads: 1, headDimension: 16,
      geometry: [LayerGeometry(headDimension: 16, rotary: rotary)])
    let sequence = TestSequence(shape, tokens: Self.count, seed: 6)
    let parameters: JSONValue = ["sinks": 2, "localWindow": 20, "positions": "cacheRelative"]
    let long = try AttentionSession(
      "streaming-llm", parameters, shape: shape, promptTokens: Self.count)
    let short = try AttentionSession("streaming-llm", parameters, shape: shape, promptTokens: 8192)
    let whole = sequence.run(long, 0..<Self.count, .prefill)
    let prefix = sequence.run(short, 0..<8192, .prefill)
    let error = AttentionSessionTests.difference(whole.copy(ofRows: 0..<8192), prefix)
    #expect(error < 1e-5)
    // The rows after it, as decode steps.
    for row in 8192..<8200 {
      let step = sequence.run(short, row..<row + 1, .decode)
      #expect(
        AttentionSessionTests.difference(whole.copy(ofRows: row..<row + 1), step) < 1e-4, "\(row)")
    }
  }
}
