import Attention
import Tensors
import Testing
import Transformer

extension RealModelTests {
  /// What must not change a result: how a text is cut into passes, and how many threads there are.
  @Suite("Consistency") struct ConsistencyTests {
    @Test("A prompt at once, token by token and in pieces gives the same logits")
    func decodeEqualsPrefill() throws {
      let tokens = Array(try Golden.load().logits[1].ids.prefix(96))
      let model = try LocalModel.smolLM2.load()
      let whole = try model.forward(
        tokens, firstPosition: 0, phase: .prefill, attention: model.denseSession(),
        keeping: tokens.indices)

      let session = model.denseSession()
      var rows: [Matrix] = []
      for (position, token) in tokens.enumerated() {
        rows.append(
          try model.forward(
            [token], firstPosition: position, phase: position == 0 ? .prefill : .decode,
            attention: session, keeping: 0..<1))
      }
      let pieces = model.denseSession()
      _ = try model.forward(
        Array(tokens[..<40]), firstPosition: 0, phase: .prefill, attention: pieces, keeping: 39..<40
      )
      let rest = try model.decode(Array(tokens[40...]), firstPosition: 40, attention: pieces)

      for row in [0, 1, 39, 40, 63, 95] {
        let expected = logits(model, whole, row)
        #expect(difference(logits(model, rows[row], 0), expected) < 1e-3, "token \(row)")
        if row >= 40 {
          #expect(difference(logits(model, rest, row - 40), expected) < 1e-3, "token \(row)")
        }
      }
    }

    @Test("One thread and two give the same bits")
    func threads() throws {
      let tokens = try Golden.load().logits[1].ids
      let results = try [1, 2].map { threads in
        let model = try LocalModel.smolLM2.load(threadCount: threads)
        var decoder = try GreedyDecoder(model, attention: model.denseSession(), prompt: tokens)
        var chosen: [Int32] = []
        try decoder.decode(atMost: 3) { token in
          chosen.append(token)
          return true
        }
        return (chosen, decoder.logits.map(\.bitPattern))
      }
      #expect(results[0].0 == results[1].0)
      #expect(results[0].1 == results[1].1)
    }

    @Test("Keeping the last row alone gives the last row of all")
    func keeping() throws {
      let tokens = try Golden.load().logits[0].ids
      let model = try LocalModel.smolLM2.load()
      let all = try model.score(tokens, attention: model.denseSession(), nextCount: 3)
      let last = try model.forward(
        tokens, firstPosition: 0, phase: .prefill, attention: model.denseSession(),
        keeping: tokens.count - 1..<tokens.count)
      #expect(last.rows == 1)
      let expected = all.next[0]
      #expect(abs(logits(model, last, 0)[Int(expected.token)] - expected.logit) < 1e-3)
    }

    private func logits(_ model: BlueprintDecoder, _ hidden: Matrix, _ row: Int) -> [Float] {
      var logits: [Float] = []
      model.logits(of: hidden, row: row, into: &logits)
      return logits
    }

    private func difference(_ left: [Float], _ right: [Float]) -> Float {
      zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
    }
  }
}
