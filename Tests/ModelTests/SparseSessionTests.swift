import Attention
import Tensors
import Testing
import Transformer

extension RealModelTests {
  /// Sparse strategies at work on the model: prompt, compaction, decoding.
  @Suite("Sparse sessions") struct SparseSessionTests {
    private func prompt(_ count: Int) throws -> [Int32] {
      try LocalModel.smolLM2.tokens(count, of: "persuasion", fromCharacter: 5000)
    }

    @Test("A selection of everything gives the dense logits")
    func everything() throws {
      let tokens = try prompt(300)
      let model = try LocalModel.smolLM2.load()
      let dense = try lastLogits(model, tokens, model.denseSession())
      let wide = StreamingLLM {
        $0.sinks = 0
        $0.localWindow = 300
      }
      let keeping = TCA {
        $0.blockSize = 64
        $0.localWindow = 64
        $0.heads = [Int](repeating: TCACandidate.keepEverything, count: 270)
      }
      for session: any LayerAttention in [
        AttentionSession(wide, shape: model.shape, workspace: model.workspace),
        AttentionSession(keeping, shape: model.shape, workspace: model.workspace),
      ] {
        let sparse = try lastLogits(model, tokens, session)
        let difference = zip(sparse, dense).reduce(0) { max($0, abs($1.0 - $1.1)) }
        #expect(difference < 1e-3)
      }
    }

    @Test("StreamingLLM holds its sinks and window through decoding, not more")
    func streaming() throws {
      let model = try LocalModel.smolLM2.load()
      let strategy = StreamingLLM {
        $0.sinks = 4
        $0.localWindow = 124
      }
      let session = AttentionSession(strategy, shape: model.shape, workspace: model.workspace)
      var decoder = try GreedyDecoder(model, attention: session, prompt: prompt(400))
      var count = 0
      try decoder.decode(atMost: 20) { _ in
        count += 1
        return true
      }
      #expect(count == 20)
      #expect(session.tokensHeld == 30 * 3 * (4 + 124))
      for head in session.caches.joined() {
        #expect(head.positions.starts(with: [0, 1, 2, 3]))
        #expect(head.position(ofSlot: head.count - 1) == 418)
      }
    }

    @Test("TCA compacts the prompt, thins each block that leaves the window, and goes on")
    func tca() throws {
      let model = try LocalModel.smolLM2.load()
      // Every head keeps the fewest tokens that a candidate can.
      let strategy = TCA {
        $0.blockSize = 64
        $0.localWindow = 128
        $0.heads = [Int](repeating: 0, count: 270)
      }
      let session = AttentionSession(strategy, shape: model.shape, workspace: model.workspace)
      var decoder = try GreedyDecoder(model, attention: session, prompt: prompt(512))
      let held = session.tokensHeld
      #expect(held < 30 * 3 * 512 * 2 / 3)
      for _ in 0..<80 { try decoder.run(decoder.choose()) }
      // Two blocks have left the window meanwhile: the cache has grown by less than was decoded.
      #expect(session.tokensHeld < held + 30 * 3 * 40)
      #expect(!decoder.logits.contains { !$0.isFinite })
    }

    private func lastLogits(
      _ model: BlueprintDecoder, _ tokens: [Int32], _ attention: any LayerAttention
    ) throws -> [Float] {
      let hidden = try model.forward(
        tokens, firstPosition: 0, phase: .prefill, attention: attention,
        keeping: tokens.count - 1..<tokens.count)
      var logits: [Float] = []
      model.logits(of: hidden, row: 0, into: &logits)
      return logits
    }
  }
}
