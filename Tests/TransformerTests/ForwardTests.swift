import Attention
import LabTestSupport
import Tensors
import Testing
import Transformer

@Suite("Forward pass of the llama architecture")
struct ForwardTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var model: TinyModel

    init(_ name: String, _ change: (inout TinyModel) -> Void) {
      testDescription = name
      model = .with(change)
    }
  }

  static let cases = [
    Case("two layers, groups of 2, tied embeddings") { _ in },
    Case("an output matrix of its own") { $0.hasOutputMatrix = true },
    Case("each query head has its KV head") { $0.kvHeads = 4 },
    Case("groups of 3, as in SmolLM2") {
      ($0.queryHeads, $0.kvHeads, $0.headDimension) = (9, 3, 32)
    },
    Case("groups of 8") { ($0.queryHeads, $0.kvHeads) = (8, 1) },
    Case("float weights, sizes that no block divides") {
      ($0.format, $0.embeddingFormat) = (.f32, .f16)
      ($0.queryHeads, $0.kvHeads, $0.headDimension, $0.feedForwardSize) = (3, 1, 10, 37)
    },
    Case("a format for each tensor") {
      $0.format = .q5_1
      $0.formats = ["blk.0.attn_q.weight": .q8_0, "blk.1.ffn_down.weight": .bf16]
    },
    Case("a large rotary base and epsilon") { ($0.ropeBase, $0.rmsEpsilon) = (1e6, 0.1) },
    Case("blocks of 256") { $0 = .wide(.q4_K) },
  ]

  // Rounding of float32 over a few layers: some 1e-6 of the largest number.
  static let tolerance = 2e-5

  @Test("Hidden states and logits are those of the reference in Double", arguments: cases)
  func reference(_ test: Case) throws {
    let file = try test.model.file()
    let model = try TinyModel.load(file)
    let reference = try ReferenceModel(file, model.blueprint)
    let tokens = randomTokens(19)
    let hidden = try model.prefill(tokens)
    let expected = reference.hidden(tokens)
    #expect(hidden.rows == tokens.count && hidden.columns == test.model.hiddenSize)
    for row in tokens.indices {
      expect(
        Array(hidden.elements[row * hidden.columns..<(row + 1) * hidden.columns]), expected[row])
    }
    expect(model.logits(hidden, row: 18), reference.logits(expected[18]))
  }

  @Test("A head dimension that is not hiddenSize over heads comes from key_length")
  func headDimension() throws {
    let tiny = TinyModel.with { ($0.queryHeads, $0.kvHeads) = (4, 4) }
    // Two heads of 16 in a hidden size of 64: only half of the queries' and keys' rows are left.
    let file = try tiny.damaged(metadata: [
      "llama.attention.head_count": .uint32(2), "llama.attention.head_count_kv": .uint32(2),
      "llama.attention.key_length": .uint32(16), "llama.attention.value_length": .uint32(16),
    ]) { tensors in
      for index in tensors.indices {
        let name = tensors[index].name
        let bytes = tensors[index].bytes
        if ["attn_q.", "attn_k.", "attn_v."].contains(where: name.contains) {
          tensors[index].dimensions[1] /= 2
          tensors[index].bytes = Array(bytes.prefix(bytes.count / 2))
        } else if name.contains("attn_output.") {
          // The first half of the blocks serves as a matrix with half the columns.
          tensors[index].dimensions[0] /= 2
          tensors[index].bytes = Array(bytes.prefix(bytes.count / 2))
        }
      }
    }
    let model = try TinyModel.load(file)
    #expect(model.shape.headDimension == 16 && model.blueprint.hiddenSize == 64)
    let reference = try ReferenceModel(file, model.blueprint)
    let hidden = try model.prefill(randomTokens(9))
    expect(hidden.elements, reference.hidden(randomTokens(9)).flatMap { $0 })
  }

  @Test("A text gives the same hidden states at once, token by token, and in pieces")
  func pieces() throws {
    let model = try TinyModel().load()
    let tokens = randomTokens(50)
    let whole = try model.prefill(tokens)
    for sizes in [[Int](repeating: 1, count: 50), [7, 1, 2, 40], [49, 1], [20, 30]] {
      let session = model.denseSession()
      var position = 0
      for size in sizes {
        let hidden = try model.forward(
          Array(tokens[position..<position + size]), firstPosition: position,
          phase: position == 0 ? .prefill : .decode, attention: session, keeping: 0..<size)
        let expected = whole.elements[
          position * whole.columns..<(position + size) * whole.columns]
        #expect(largestDifference(hidden.elements, expected) < 1e-4, "\(sizes) at \(position)")
        position += size
      }
    }
  }

  @Test("A prompt longer than a tile of tokens gives what its pieces give")
  func longPrompt() throws {
    let model = try TinyModel.with { ($0.queryHeads, $0.kvHeads, $0.headDimension) = (2, 1, 16) }
      .load(threadCount: 2)
    let tokens = randomTokens(1_300)
    let whole = try model.prefill(tokens)
    let session = model.denseSession()
    var rows: [Float] = []
    for (first, count) in [(0, 650), (650, 650)] {
      rows += try model.forward(
        Array(tokens[first..<first + count]), firstPosition: first,
        phase: first == 0 ? .prefill : .decode, attention: session, keeping: 0..<count
      ).elements
    }
    #expect(largestDifference(whole.elements, rows) < 1e-4)
    // The last layer of the same prompt for some rows only, more than a tile of them.
    let kept = try model.forward(
      tokens, firstPosition: 0, phase: .prefill, attention: model.denseSession(),
      keeping: 100..<1_250)
    let expected = whole.elements[100 * whole.columns..<1_250 * whole.columns]
    #expect(kept.rows == 1_150 && largestDifference(kept.elements, expected) < 1e-4)
  }

  @Test("Only the rows that are kept come back, and none if none are", arguments: [0, 1, 5])
  func keeping(count: Int) throws {
    let model = try TinyModel().load()
    let tokens = randomTokens(12)
    let whole = try model.prefill(tokens)
    let session = model.denseSession()
    let kept = try model.forward(
      tokens, firstPosition: 0, phase: .prefill, attention: session, keeping: 12 - count..<12)
    #expect(kept.rows == count)
    #expect(
      largestDifference(kept.elements, whole.elements.suffix(count * whole.columns)) < 1e-5)
    // The caches are whole all the same.
    #expect(session.caches.allSatisfy { $0.allSatisfy { $0.count == 12 } })
  }

  @Test("Every layer is reported once, in order")
  func progress() throws {
    let model = try TinyModel.with { $0.layers = 5 }.load()
    var seen: [Int] = []
    _ = try model.forward(
      randomTokens(3), firstPosition: 0, phase: .prefill, attention: model.denseSession(),
      keeping: 2..<3, afterLayer: { seen.append($0) })
    #expect(seen == [0, 1, 2, 3, 4])
  }

  @Test("The number of threads changes no bit")
  func threads() throws {
    let tokens = randomTokens(70)
    let results = try [1, 2, 3].map { try TinyModel().load(threadCount: $0).prefill(tokens) }
    #expect(results[0] == results[1] && results[0] == results[2])
  }

  @Test("A model runs again as it ran first, whatever it ran between")
  func repetition() throws {
    let model = try TinyModel().load()
    let tokens = randomTokens(30)
    let first = try model.prefill(tokens)
    _ = try model.prefill(randomTokens(7, seed: 2))
    _ = try model.score(randomTokens(40, seed: 3), attention: model.denseSession())
    #expect(try model.prefill(tokens) == first)
  }

  private func expect(_ found: [Float], _ expected: [Double]) {
    #expect(found.count == expected.count)
    let scale = expected.reduce(0) { max($0, abs($1)) }
    let error = zip(found, expected).reduce(0) { max($0, abs(Double($1.0) - $1.1)) }
    #expect(error <= Self.tolerance * scale, "largest error \(error), largest value \(scale)")
  }
}
