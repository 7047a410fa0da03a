import Attention
import Kernels
import LabTestSupport
import Records
import Tensors
import Testing
import Threads

@Suite("Formats of the KV cache")
struct CacheFormatTests {
  private static let shape = AttentionShape(
    layers: 1, queryHeads: 6, kvHeads: 2, headDimension: 16,
    rotary: RotaryEmbedding(base: 10_000, dimensions: 16, layout: .halfSplit))

  @Test("A cache in float16 is one in float32 that holds rounded numbers, under every strategy")
  func roundedNumbers() throws {
    let exact = TestSequence(Self.shape, tokens: 130, seed: 11)
    let rounded = TestSequence(
      ReferenceAttention(
        shape: Self.shape, queries: exact.attention.queries,
        keys: RowFormat.f16.stored(exact.attention.keys, headDimension: 16),
        values: RowFormat.f16.stored(exact.attention.values, headDimension: 16)))
    #expect(rounded.attention.keys != exact.attention.keys)
    for (name, parameters) in strategiesOfEachKind {
      let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
      func session(_ cache: CacheFormat) throws -> AttentionSession {
        let configured = try entry.configure(parameters, cache: cache)
        #expect(configured.cache == cache)
        return AttentionSession(
          configured.forPrompt(of: 100, shape: Self.shape), shape: Self.shape,
          workspace: Workspace(workers: WorkerPool()), cache: configured.cache)
      }
      let half = try session(.f16)
      let float = try session(.f32)
      for step in [0..<100] + (100..<130).map({ $0..<$0 + 1 }) {
        let phase: AttentionPhase = step.lowerBound == 0 ? .prefill : .decode
        let output = exact.run(half, step, phase)
        let expected = rounded.run(float, step, phase)
        #expect(
          AttentionSessionTests.difference(output, expected) < 1e-6, "\(name), tokens \(step)")
      }
      // TCA+ divides its bytes between tiers, and exact tokens cost half as much.
      if name != "tca-plus" {
        #expect(half.held(0) == float.held(0) && half.held(1) == float.held(1), "\(name)")
        #expect(2 * half.logicalBytes == float.logicalBytes, "\(name)")
      }
    }
  }

  @Test("Numbers are rounded to the nearest half float, whatever the head dimension")
  func rounding() {
    for width in [1, 16, 20, 64] {
      let numbers = (0..<3 * width).map { (index: Int) -> Float in
        let number = Float(index)
        return number * number * 0.123 - 7 + number * 1e-4
      }
      let matrix = Matrix(rows: 3, columns: width, elements: numbers)
      #expect(
        RowFormat.f16.stored(matrix, headDimension: width).elements
          == numbers.map { Float(Float16($0)) })
      #expect(RowFormat.f32.stored(matrix, headDimension: width) == matrix)
    }
  }

  @Test("Blocks need a head dimension of whole blocks")
  func headDimensions() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "full"))
    let narrow = AttentionShape(layers: 1, queryHeads: 2, kvHeads: 1, headDimension: 48)
    for format in RowFormat.allCases {
      let cache = CacheFormat(keys: .f16, values: format)
      let configured = try entry.configure([:], cache: cache)
      guard format != .f32, format != .f16 else {
        try configured.check(promptTokens: 10, shape: narrow)
        continue
      }
      let error = #expect(throws: ConfigurationError.self) {
        try configured.check(promptTokens: 10, shape: narrow)
      }
      #expect(error?.parameter == "cache" && error?.message.contains("48") == true)
      #expect(try entry.configure([:], cache: cache).parameters["cache"] == cache.jsonValue)
      #expect(try CacheFormat(stated: cache.jsonValue) == cache)
    }
  }

  @Test("A format that is none is refused by name")
  func unknownFormat() throws {
    let entry = try #require(StrategyRegistry.builtIn.entry(named: "full"))
    let error = #expect(throws: ConfigurationError.self) {
      try entry.configure(["cache": "f8"])
    }
    #expect(error?.parameter == "cache" && error?.message.contains("f16") == true)
  }
}
