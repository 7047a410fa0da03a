import Attention
import JSON
import Records
import Tensors
import Testing

@Suite("DuoAttention")
struct DuoAttentionTests {
  static let shape = AttentionShape(layers: 2, queryHeads: 6, kvHeads: 2, headDimension: 16)
  static let prompt = 100
  static let tokens = 130

  private func session(_ parameters: [String: JSONValue]) throws -> AttentionSession {
    try AttentionSession(
      "duo-attention", .object(["sinks": 3, "localWindow": 12].merging(parameters) { $1 }),
      shape: Self.shape)
  }

  /// The heads of a session that hold everything, layer after layer.
  private func fullHeads(_ session: AttentionSession) -> [Bool] {
    let sequence = TestSequence(Self.shape, tokens: Self.prompt, seed: 1)
    for layer in 0..<2 { sequence.run(session, 0..<Self.prompt, .prefill, layer: layer) }
    return (0..<4).map { session.held($0 % 2, layer: $0 / 2).count == Self.prompt }
  }

  @Test("The lowest scores of all layers stream, of equal ones the earlier; 0 and 1 are roles")
  func roles() throws {
    let scores: JSONValue = [0.9, 0.2, 0.2, 0.5]
    for (sparsity, full) in [
      (0, [true, true, true, true]), (0.25, [true, false, true, true]),
      (0.5, [true, false, false, true]), (0.75, [true, false, false, false]),
      (1, [false, false, false, false]),
    ] as [(Double, [Bool])] {
      #expect(
        fullHeads(try session(["heads": scores, "sparsity": .number(sparsity)])) == full,
        "\(sparsity)")
    }
    #expect(
      fullHeads(try session(["heads": [0, 1, 1, 1], "sparsity": 1])) == [false, true, true, true])
  }

  @Test(
    "Streaming heads see and keep sinks and window, the others everything",
    arguments: [true, false])
  func attends(prefill: Bool) throws {
    let sequence = TestSequence(Self.shape, tokens: Self.tokens, seed: 2)
    let session = try session(["heads": [0, 1, 1, 0], "prefill": .boolean(prefill)])
    var position = 0
    while position < Self.tokens {
      let range = position..<(position == 0 ? Self.prompt : position + 1)
      let (output, outcome) = sequence.attend(
        session, range, position == 0 ? .prefill : .decode)
      for head in 0..<6 {
        var pairs = 0
        for (row, query) in range.enumerated() {
          let isDense = head >= 3 || (position == 0 && !prefill)
          let attended = (0...query).filter { isDense || $0 < 3 || $0 > query - 12 }
          pairs += attended.count
          let expected = sequence.attention.attend(head: head, query: query, to: attended).output
          for i in 0..<16 {
            #expect(abs(Double(output[row, head * 16 + i]) - expected[i]) < 1e-5)
          }
        }
        #expect(outcome.pairs[head].nominal == pairs)
      }
      position = range.upperBound
    }
    // What the last query saw.
    #expect(session.held(0) == Array(0..<3) + Array(Self.tokens - 12..<Self.tokens))
    #expect(session.held(1) == Array(0..<Self.tokens))
  }

  @Test("What does not fit is refused by name")
  func refused() {
    let bad: [(String, [String: JSONValue])] = [
      ("heads", [:]), ("heads", ["heads": [0, 1, 1]]), ("heads", ["heads": [0, 1, 1, 1.5]]),
      ("sinks", ["heads": [0, 1, 1, 0], "sinks": -1]),
      ("localWindow", ["heads": [0, 1, 1, 0], "localWindow": 0]),
      ("sparsity", ["heads": [0, 1, 1, 0], "sparsity": 1.5]),
      ("calibrationLength", ["heads": [0, 1, 1, 0], "calibrationLength": 1]),
    ]
    for (parameter, parameters) in bad {
      let error = #expect(throws: ConfigurationError.self) { try session(parameters) }
      #expect(error?.parameter == parameter)
    }
  }
}
