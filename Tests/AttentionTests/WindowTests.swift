import Attention
import JSON
import LabTestSupport
import Tensors
import Testing

@Suite("Layers with a window of their own")
struct WindowTests {
  private static let window = 24
  private static let d = 16

  /// Window, global, window: with a rotary embedding, which some strategies need.
  private static func shape(window: Int = window) -> AttentionShape {
    let rotary = RotaryEmbedding(base: 10_000, dimensions: d, layout: .halfSplit)
    let local = LayerGeometry(headDimension: d, rotary: rotary, window: window)
    let global = LayerGeometry(headDimension: d, rotary: rotary)
    return AttentionShape(
      queryHeads: 6, kvHeads: 2, headDimension: d, geometry: [local, global, local])
  }

  @Test("A strategy acts on the global layers as on a model that has no others")
  func strategiesSeeGlobalLayers() throws {
    let shape = Self.shape()
    let alone = shape.global
    #expect(shape.globalLayers == [1] && alone.layers == 1)
    let tokens = 120
    let sequence = TestSequence(shape, tokens: tokens, seed: 3)
    for (name, parameters) in strategiesOfEachKind {
      let session = try AttentionSession(name, parameters, shape: shape, promptTokens: 100)
      let plain = try AttentionSession(name, parameters, shape: alone, promptTokens: 100)
      for step in [0..<100] + (100..<tokens).map({ $0..<$0 + 1 }) {
        let phase: AttentionPhase = step.lowerBound == 0 ? .prefill : .decode
        for layer in [0, 2] {
          let output = sequence.run(session, step, phase, layer: layer)
          Self.expectWindow(output, sequence, step, Self.window, "\(name), layer \(layer), \(step)")
          // What this step's queries did not see is not kept.
          let first = step.lowerBound == 0 ? step.upperBound + 1 : step.upperBound
          #expect(session.held(0, layer: layer).first == first - Self.window)
        }
        let output = sequence.run(session, step, phase, layer: 1)
        #expect(output == sequence.run(plain, step, phase), "\(name), \(step)")
      }
      #expect(session.tokensHeld == plain.tokensHeld, "\(name)")
      #expect(session.pairs == plain.pairs, "\(name)")
      #expect(session.residentBytes - session.windowResidentBytes == plain.residentBytes, "\(name)")
      #expect(plain.windowResidentBytes == 0)
      #expect(session.windowResidentBytes < 2 * 2 * (Self.window + 130) * (2 * Self.d + 1) * 4)
    }
  }

  @Test("Prompts around the window's length, with decode steps after them, alone and together")
  func lengths() throws {
    for window in [1, 2, 24] {
      let shape = Self.shape(window: window)
      for prompt in [1, window - 1, window, window + 1, 3 * window + 5] where prompt > 0 {
        let sequence = TestSequence(shape, tokens: prompt + 40, seed: prompt)
        for together in [1, 13] {
          let session = try AttentionSession("full", shape: shape)
          var step = 0..<prompt
          while !step.isEmpty {
            let phase: AttentionPhase = step.lowerBound == 0 ? .prefill : .decode
            let output = sequence.run(session, step, phase)
            Self.expectWindow(output, sequence, step, window, "\(window), \(prompt), \(step)")
            step = step.upperBound..<min(step.upperBound + together, prompt + 40)
          }
        }
      }
    }
  }

  @Test("The scale of each layer reaches its logits")
  func scales() throws {
    let geometry = [0.1, 0.7].map { LayerGeometry(headDimension: Self.d, scale: $0) }
    let shape = AttentionShape(
      queryHeads: 6, kvHeads: 2, headDimension: Self.d, geometry: geometry)
    let sequence = TestSequence(shape, tokens: 40, seed: 9)
    let session = try AttentionSession("full", shape: shape)
    for layer in 0..<2 {
      var scaled = sequence.attention.queries
      let factor = Float(geometry[layer].scale * 4)  // The reference divides by √16.
      for index in scaled.elements.indices { scaled.elements[index] *= factor }
      let reference = ReferenceAttention(
        shape: shape, queries: scaled, keys: sequence.attention.keys,
        values: sequence.attention.values)
      for step in [0..<30] + (30..<40).map({ $0..<$0 + 1 }) {
        let output = sequence.run(
          session, step, step.lowerBound == 0 ? .prefill : .decode, layer: layer)
        for (row, position) in step.enumerated() {
          let expected = reference.attendDensely(head: 4, query: position).output
          for i in 0..<Self.d {
            #expect(abs(Double(output[row, 4 * Self.d + i]) - expected[i]) < 1e-4)
          }
        }
      }
    }
  }

  /// Each query sees the keys at q − k < window and no others.
  private static func expectWindow(
    _ output: Matrix, _ sequence: TestSequence, _ step: Range<Int>, _ window: Int, _ place: String
  ) {
    var largest = 0.0
    for (row, position) in step.enumerated() {
      for head in 0..<sequence.shape.queryHeads {
        let expected = sequence.attention.attend(
          head: head, query: position, to: max(0, position - window + 1)...position
        ).output
        for i in 0..<d {
          largest = max(largest, abs(Double(output[row, head * d + i]) - expected[i]))
        }
      }
    }
    #expect(largest < 1e-4, "\(place): off by \(largest)")
  }
}
