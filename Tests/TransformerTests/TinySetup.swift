import Attention
import GGUF
import Kernels
import LabTestSupport
import Records
import Tensors
import Testing
import Threads
import Transformer

extension TinyModel {
  /// Settings of a tiny model, changed from the default.
  static func with(_ change: (inout TinyModel) -> Void) -> TinyModel {
    var model = TinyModel()
    change(&model)
    return model
  }

  func load(threadCount: Int = 1) throws -> BlueprintDecoder { try Self.load(file(), threadCount) }

  static func load(_ file: GGUFFile, _ threadCount: Int = 1) throws -> BlueprintDecoder {
    let workspace = Workspace(workers: try WorkerPool(threadCount: threadCount))
    return try BlueprintDecoder(file, workspace: workspace, name: "tiny.gguf")
  }

  /// The model's file with metadata replaced (nil removes a key, a new one is added) and tensors changed.
  func damaged(
    metadata changes: [String: GGUFValue?] = [:],
    tensors change: (inout [GGUFWriter.Tensor]) -> Void = { _ in }
  ) throws -> GGUFFile {
    var writer = GGUFWriter(copying: try file(), setting: changes)
    writer.change(change)
    return try writer.file()
  }
}

extension BlueprintDecoder {
  func denseSession() -> AttentionSession {
    AttentionSession(FullAttention(), shape: shape, workspace: workspace)
  }

  /// A whole prompt in one pass: hidden states of all its tokens.
  func prefill(_ tokens: [Int32]) throws -> Matrix {
    try forward(
      tokens, firstPosition: 0, phase: .prefill, attention: denseSession(),
      keeping: tokens.indices)
  }

  func logits(_ hidden: Matrix, row: Int) -> [Float] {
    var logits: [Float] = []
    self.logits(of: hidden, row: row, into: &logits)
    return logits
  }
}

/// Token ids of the tiny vocabulary, drawn from a seed.
func randomTokens(_ count: Int, seed: Int = 1) -> [Int32] {
  var generator = SeededGenerator(seed: seed, purpose: "tokens")
  return (0..<count).map { _ in Int32(generator.index(below: TinyVocabulary.tokens.count)) }
}

/// The largest difference of two rows of numbers.
func largestDifference(_ left: some Sequence<Float>, _ right: some Sequence<Float>) -> Float {
  zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
}
