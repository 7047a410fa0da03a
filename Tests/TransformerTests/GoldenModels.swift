import Attention
import Foundation
import GGUF
import Kernels
import LabTestSupport
import Tensors
import Testing
import Threads
import Transformer

/// The tiny models of `Tests/Golden/models`, and what transformers computes with them; see the README
/// there and `scripts/vectors/models.py`.
struct GoldenModels: Decodable {
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    var name: String
    var file: String
    var ropeScaling: RotaryScaling?
    var openedFor: Int?
    var ids: [Int32]
    /// Of the last position.
    var logits: [Float]
    /// Of each token but the first.
    var logProbabilities: [Double]
    var newIDs: [Int32]
    /// Between the two largest logits before each new token.
    var gaps: [Float]

    var testDescription: String { name }

    func load() throws -> BlueprintDecoder {
      try BlueprintDecoder(
        GoldenModels.file(file), workspace: Workspace(workers: WorkerPool()), name: file,
        ropeScaling: ropeScaling, openedFor: openedFor)
    }
  }

  struct Rotary: Decodable, Sendable, CustomTestStringConvertible {
    var ropeScaling: RotaryScaling
    var dimension: Int
    var base: Double
    /// As a file would state it.
    var contextLength: Int
    var openedFor: Int
    var frequencies: [Double]
    var attentionFactor: Double
    var positions: [Int]
    /// By position and pair, times the attention factor.
    var cosines: [[Float]]
    var sines: [[Float]]

    var testDescription: String { "\(ropeScaling), \(dimension) dimensions, \(contextLength)" }

    func embedding(_ layout: RotaryEmbedding.Layout) -> RotaryEmbedding {
      ropeScaling.embedding(
        base: base, dimensions: dimension, layout: layout, stated: contextLength,
        contextLength: openedFor)
    }
  }

  var cases: [Case]
  var rotary: [Rotary]

  /// Empty where the file is missing or damaged, which a test notices.
  static let all: GoldenModels =
    (try? JSONDecoder().decode(
      GoldenModels.self,
      from: Data(contentsOf: URL(fileURLWithPath: GoldenFiles.path("models/tiny.json")))))
    ?? GoldenModels(cases: [], rotary: [])

  static func file(_ name: String) throws -> GGUFFile {
    try GGUFFile(path: GoldenFiles.path("models/\(name).gguf"))
  }
}
