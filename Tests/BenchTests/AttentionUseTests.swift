import Attention
import JSON
import LabTestSupport
import Tensors
import Testing
import Threads

@testable import Bench

@Suite("What a strategy attended to and kept")
struct AttentionUseTests {
  /// Two layers of a prompt, as a forward pass calls attention.
  private func use(_ name: String, _ parameters: JSONValue, tokens: Int) throws -> AttentionUse {
    let shape = AttentionShape(layers: 2, queryHeads: 4, kvHeads: 2, headDimension: 16)
    let entry = try #require(StrategyRegistry.builtIn.entry(named: name))
    let session = AttentionSession(
      try entry.configure(parameters).strategy, shape: shape,
      workspace: Workspace(workers: WorkerPool()))
    func matrix(_ heads: Int) -> Matrix {
      Matrix(
        rows: tokens, columns: heads * 16,
        elements: (0..<tokens * heads * 16).map { Float(($0 &* 7919) % 1009) / 504 - 1 })
    }
    var output = Matrix(rows: tokens, columns: 64)
    for layer in 0..<shape.layers {
      session.attend(
        layer: layer, phase: .prefill, queries: matrix(4), keys: matrix(2), values: matrix(2),
        firstPosition: 0, output: &output)
    }
    return AttentionUse(of: session, tokens: tokens)
  }

  @Test("Full attention has density 1 and keeps all; a window has the pairs and tokens of its own")
  func pairs() throws {
    let full = try use("full", [:], tokens: 100)
    #expect(full.nominalDensity == 1 && full.retainedFraction == 1 && full.density >= 1)
    let window = try use("streaming-llm", ["sinks": 2, "localWindow": 10], tokens: 100)
    // Query i sees min(i + 1, 12) tokens.
    let pairs = (0..<100).reduce(0) { $0 + min($1 + 1, 12) }
    #expect(abs(window.nominalDensity - Double(pairs) / 5050) < 1e-12)
    #expect(window.density >= window.nominalDensity)
    // The next query will see 11 of them, and itself.
    #expect(abs(window.retainedFraction - 0.11) < 1e-12)
  }
}
