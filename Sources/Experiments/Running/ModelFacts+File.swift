import Attention
import Digests
import Foundation
import GGUF
import Planning
import Threads
import Transformer

extension ModelFacts {
  /// What a GGUF file says; checks everything that loading it would check, and hashes it.
  ///
  /// - Parameter name: as a spec calls it.
  public init(name: String, path: String) throws {
    let file = try GGUFFile(path: path)
    let model = try LlamaModel(file, workspace: Workspace(workers: WorkerPool()), name: path)
    let c = model.configuration
    let attention = 2 * c.hiddenSize * (c.queryHeads + c.kvHeads) * c.headDimension
    self.init(
      name: name, path: path, digest: try SHA256Digest.ofFile(at: path),
      contextLength: c.contextLength, shape: model.shape,
      size: ModelSize(
        hiddenSize: c.hiddenSize,
        matrixParameters: c.layers * (attention + 3 * c.hiddenSize * c.feedForwardSize),
        outputParameters: c.vocabularySize * c.hiddenSize,
        fileBytes: (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0))
  }
}
