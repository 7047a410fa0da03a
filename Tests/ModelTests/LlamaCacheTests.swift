import Attention
import Foundation
import GGUF
import JSON
import LabTestSupport
import ModelLibrary
import Tensors
import Testing
import Tokenization
import Transformer

/// Attention as llama.cpp multiplies quantised keys: with queries that are rounded to 8 bits.
private final class RoundedQueries: WrapsAttention {
  let base: AttentionSession

  init(_ base: AttentionSession) { self.base = base }

  func attend(
    layer: Int, phase: AttentionPhase, queries: Matrix, firstPosition: Int,
    take: (_ rows: Range<Int>, _ output: Matrix) -> Void
  ) -> AttentionOutcome {
    base.attend(
      layer: layer, phase: phase, queries: rounded(queries), firstPosition: firstPosition,
      take: take)
  }

  private func rounded(_ queries: Matrix) -> Matrix {
    var queries = queries
    for first in stride(from: 0, to: queries.elements.count, by: 32) {
      let block = first..<first + 32
      let largest = queries.elements[block].reduce(0) { max($0, abs($1)) }
      let scale = largest / 127
      guard scale > 0 else { continue }
      let stored = Float(Float16(scale))
      for index in block {
        queries.elements[index] = (queries.elements[index] / scale).rounded() * stored
      }
    }
    return queries
  }
}

extension RealModelTests {
  /// How far the next-token distributions move with a quantised cache, beside llama.cpp, which has the same blocks.
  @Suite("Quantised caches beside llama.cpp") struct LlamaCacheTests {
    @Test("Their mean divergence from an exact cache is llama.cpp's")
    func divergence() throws {
      let golden = try JSONValue(
        parsing: String(contentsOfFile: GoldenFiles.path("llama-cache.json"), encoding: .utf8))
      let length = try #require(golden["contextLength"]?.integerValue)
      let scored = try #require(golden["scoredTokens"]?.integerValue)
      let expected = try #require(golden["meanDivergence"]?.objectValue)
      let tokens = try text(golden)
      let windows = tokens.count / length
      #expect(windows == golden["windows"]?.integerValue)
      let model = try LocalModel.smolLM2.load()
      // The logits of the first scored token come from the position before it.
      let rows = length - 1 - scored..<length - 1
      var sums: [String: Double] = [:]
      for window in 0..<windows {
        let ids = Array(tokens[window * length..<(window + 1) * length])
        func hidden(_ cache: CacheFormat) throws -> Matrix {
          let session = AttentionSession(
            FullAttention(), shape: model.shape, workspace: model.workspace, cache: cache)
          return try model.forward(
            ids, firstPosition: 0, phase: .prefill,
            attention: cache == .f32 ? session : RoundedQueries(session), keeping: rows)
        }
        let exact = logProbabilities(model, try hidden(.f32))
        for name in expected.keys {
          let formats = name.split(separator: "/").compactMap { RowFormat(rawValue: String($0)) }
          let cache = CacheFormat(keys: formats[0], values: formats[formats.count - 1])
          for (p, q) in zip(exact, logProbabilities(model, try hidden(cache))) {
            sums[name, default: 0] += zip(p, q).reduce(0) { $0 + exp($1.0) * ($1.0 - $1.1) }
          }
        }
      }
      for (name, value) in expected {
        let mean = (sums[name] ?? .nan) / Double(windows * scored)
        let reference = try #require(value.doubleValue)
        #expect(
          mean < reference * 1.15 && mean > reference / 1.15,
          "\(name): \(mean), llama.cpp's is \(reference)")
      }
    }

    private func text(_ golden: JSONValue) throws -> [Int32] {
      let corpus = try #require(golden["corpus"]?.stringValue)
      let count = try #require(golden["bytes"]?.integerValue)
      let path = GoldenFiles.path("../../Sources/ProgramFiles/corpora/\(corpus).txt")
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path)).prefix(count)
      return try Tokenizer(of: GGUFFile(path: LocalModel.smolLM2.path))
        .encode(String(decoding: bytes, as: UTF8.self), addsBOS: false)
    }

    /// Natural logarithms, in double precision, a row for each row of hidden states.
    private func logProbabilities(_ model: BlueprintDecoder, _ hidden: Matrix) -> [[Double]] {
      (0..<hidden.rows).map { row in
        var logits: [Float] = []
        model.logits(of: hidden, row: row, into: &logits)
        let largest = Double(logits.max() ?? 0)
        let sum = log(logits.reduce(0) { $0 + exp(Double($1) - largest) }) + largest
        return logits.map { Double($0) - sum }
      }
    }
  }
}
