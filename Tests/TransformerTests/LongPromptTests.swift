import Attention
import LabTestSupport
import Tensors
import Testing
import Threads
import Transformer

@Suite("Prompts of several pieces")
struct LongPromptTests {
  /// A norm after attention and windows; biases; neither.
  @Test(
    "A prompt taken in pieces gives what a short prompt and decode steps give",
    arguments: ["gemma3", "qwen2", "llama"])
  func pieces(name: String) throws {
    let golden = try GoldenModels.file(name)
    let writer = GGUFWriter(
      copying: golden, setting: ["\(name).context_length": .uint32(10_000)])
    let model = try BlueprintDecoder(
      writer.file(), workspace: Workspace(workers: WorkerPool()), name: name)
    let count = 8300
    #expect(TokenPieces.of(count).count > 2 && TokenPieces.of(8192).count == 1)
    let tokens = (0..<count).map { Int32(($0 * 7919) % model.blueprint.vocabularySize) }

    let whole = try model.forward(
      tokens, firstPosition: 0, phase: .prefill, attention: model.denseSession(),
      keeping: 2000..<count)
    let session = model.denseSession()
    let prompt = try model.forward(
      Array(tokens[..<8192]), firstPosition: 0, phase: .prefill, attention: session,
      keeping: 2000..<8192)
    let steps = try model.decode(
      Array(tokens[8192...]), firstPosition: 8192, attention: PiecewiseAttention(session))
    for row in 0..<whole.rows {
      let expected = row < prompt.rows ? prompt.row(row) : steps.row(row - prompt.rows)
      let found = whole.row(row)
      for i in found.indices where !(abs(found[i] - expected[i]) <= 2e-4) {
        Issue.record("row \(row), column \(i): \(found[i]), expected \(expected[i])")
        return
      }
    }
  }
}
