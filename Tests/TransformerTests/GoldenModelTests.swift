import Attention
import Kernels
import Tensors
import Testing
import Transformer

@Suite("Tiny models of every architecture against transformers")
struct GoldenModelTests {
  // Logits of size 3 after up to 62 layers of float32, rounded to 6 digits in the file.
  static let tolerance: Float = 2e-4

  @Test("Every architecture, scaling and window is there")
  func coverage() {
    let cases = GoldenModels.all.cases
    #expect(
      Set(cases.map(\.file)) == [
        "llama", "llama3", "mistral", "qwen2", "qwen3", "gemma3", "gemma3-62",
      ])
    #expect(
      Set(cases.compactMap(\.ropeScaling?.type)) == Set(RotaryScaling.Kind.allCases))
    #expect(
      Set(GoldenModels.all.rotary.map(\.ropeScaling.type)) == Set(RotaryScaling.Kind.allCases))
    #expect(
      Set([1, 15, 16, 17]).isSubset(of: cases.filter { $0.file == "gemma3" }.map(\.ids.count)))
  }

  @Test(
    "Log-probabilities, logits and greedy tokens are those of transformers",
    arguments: GoldenModels.all.cases)
  func golden(_ golden: GoldenModels.Case) throws {
    let model = try golden.load()
    for attention in [model.denseSession(), SlowAttention(model.shape)] as [any LayerAttention] {
      try expect(golden, model, attention)
    }
  }

  private func expect(
    _ golden: GoldenModels.Case, _ model: BlueprintDecoder, _ attention: any LayerAttention
  ) throws {
    let what = "\(golden.name), \(type(of: attention))"
    let count = golden.ids.count
    let hidden = try model.forward(
      golden.ids, firstPosition: 0, phase: .prefill, attention: attention, keeping: 0..<count)
    var worst = 0.0
    model.forEachLogits(of: hidden) { row, logits in
      guard row + 1 < count else { return }
      let found = Double(logits[Int(golden.ids[row + 1])]) - Softmax.logSumExp(logits)
      worst = max(worst, abs(found - golden.logProbabilities[row]))
    }
    #expect(worst < Double(Self.tolerance), "\(what): log-probabilities")

    var decoder = GreedyDecoder(model, attention: attention, after: hidden, position: count)
    for (step, expected) in golden.newIDs.enumerated() {
      let chosen = decoder.choose()
      if step == 0 {
        let error = largestDifference(decoder.logits, golden.logits)
        #expect(
          decoder.logits.count == golden.logits.count && error < Self.tolerance,
          "\(what): logits, largest error \(error)")
      }
      #expect(chosen == expected || golden.gaps[step] < 2 * Self.tolerance, "\(what): step \(step)")
      if step + 1 < golden.newIDs.count { try decoder.run(expected) }
    }
  }

  @Test(
    "A text gives the same at once, token by token and in pieces",
    arguments: GoldenModels.all.cases)
  func pieces(_ golden: GoldenModels.Case) throws {
    let model = try golden.load()
    let count = golden.ids.count
    let whole = try model.prefill(golden.ids)
    for sizes in [Array(repeating: 1, count: count), [count / 2, count - count / 2]] {
      let session = model.denseSession()
      var rows: [Float] = []
      var position = 0
      for size in sizes where size > 0 {
        rows += try model.forward(
          Array(golden.ids[position..<position + size]), firstPosition: position,
          phase: position == 0 ? .prefill : .decode, attention: session, keeping: 0..<size
        ).elements
        position += size
      }
      #expect(rows.count == whole.elements.count)
      #expect(largestDifference(rows, whole.elements) < Self.tolerance, "\(golden.name)")
    }
  }

  @Test("A model whose layers all have a window takes no more than fit into it")
  func mistral() throws {
    let golden = try #require(GoldenModels.all.cases.first { $0.file == "mistral" })
    let model = try golden.load()
    #expect(model.contextLength == 24)
    #expect(model.shape.geometry.allSatisfy { $0.window == nil })
    #expect(throws: ModelError.self) { try model.prefill([Int32](repeating: 5, count: 25)) }
  }

  @Test(
    "Gemma's layers attend globally in every sixth, with its own base, and scale as its size does")
  func gemma() throws {
    let golden = try #require(GoldenModels.all.cases.first { $0.file == "gemma3" })
    let geometry = try golden.load().shape.geometry
    #expect(geometry.map(\.window) == [16, 16, 16, 16, 16, nil, 16])
    #expect(
      geometry[0].rotary
        == RotaryEmbedding(base: 10_000, dimensions: 32, layout: .halfSplit))
    #expect(geometry[5].rotary?.frequencies.first == 1.0 / 8)
    #expect(geometry.allSatisfy { $0.scale == LayerGeometry.usualScale(headDimension: 32) })

    let large = try #require(GoldenModels.all.cases.first { $0.file == "gemma3-62" })
    let shape = try large.load().shape
    #expect(shape.geometry[0].scale == LayerGeometry.usualScale(headDimension: 32))
    #expect(shape.headDimension == 16 && shape.geometry.count { $0.window == nil } == 10)
  }
}
