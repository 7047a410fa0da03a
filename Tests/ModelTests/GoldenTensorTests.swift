import Attention
import GGUF
import Tensors
import Testing

@testable import Transformer

extension RealModelTests {
  /// What happens inside the forward pass of the 16-token prompt, number by number.
  @Suite("Golden tensors") struct GoldenTensorTests {
    let golden: SafetensorsFile
    let model: BlueprintDecoder
    let tokens: [Int32]

    init() throws {
      golden = try Golden.modelTensors()
      model = try LocalModel.smolLM2.load()
      tokens = try Golden.load().logits[0].ids
    }

    @Test(
      "Dequantised rows are the reference's, bit for bit",
      arguments: ["token_embd", "blk.0.attn_q", "blk.0.ffn_down"])
    func dequantisation(tensor: String) throws {
      let file = try GGUFFile(path: LocalModel.smolLM2.path)
      let rows = try file.weightMatrix(tensor + ".weight").dequantizedRows(0..<2)
      let expected = try golden.tensor("deq.\(tensor).weight.rows0_1")
      #expect(expected.shape == [2, rows.columns])
      #expect(rows.elements.map(\.bitPattern) == expected.values.map(\.bitPattern))
    }

    @Test("Each stage of the first and the last layer is the reference's")
    func stages() throws {
      let recorder = RecordingAttention(model.denseSession())
      let hidden = try model.forward(
        tokens, firstPosition: 0, phase: .prefill, attention: recorder, keeping: tokens.indices)
      let layers = recorder.layers
      #expect(layers.count == 30)
      for index in [0, 29] {
        let name = "p16.l\(index)."
        try expect(heads(layers[index].queries), equal: name + "q")
        try expect(heads(layers[index].keys), equal: name + "k")
        try expect(heads(layers[index].values), equal: name + "v")
      }
      try expect(heads(layers[0].output), equal: "p16.l0.attn_heads")
      try expect(hidden.elements, equal: "p16.final_hidden")
    }

    @Test(
      "The residual stream of the first layer is the reference's, before and after its two halves")
    func residualStream() throws {
      let layer = model.weights.layers[0]
      var pass = ForwardScratch(tokens: tokens.count, model.blueprint)
      model.embed(tokens, into: &pass.residual)
      try expect(pass.residual.elements, equal: "p16.emb")
      model.attend(
        0, layer, phase: .prefill, model.denseSession(), firstPosition: 0, keeping: tokens.indices,
        &pass)
      try expect(pass.normed.elements, equal: "p16.l0.attn_norm")
      try expect(pass.residual.elements, equal: "p16.l0.after_attn")
      model.addFeedForward(layer, &pass)
      try expect(pass.residual.elements, equal: "p16.l0.out")
    }

    /// (tokens x heads·64) as (heads, tokens, 64), the order of the golden file.
    private func heads(_ matrix: Matrix) -> [Float] {
      let d = 64
      return (0..<matrix.columns / d).flatMap { head in
        (0..<matrix.rows).flatMap { row in (0..<d).map { matrix[row, head * d + $0] } }
      }
    }

    private func expect(_ found: [Float], equal name: String) throws {
      let expected = try golden.tensor(name).values
      try #require(found.count == expected.count, "\(name)")
      let scale = expected.reduce(0) { max($0, abs($1)) }
      let error = zip(found, expected).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(error <= 2e-5 * scale, "\(name): largest error \(error), largest value \(scale)")
    }
  }
}
