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
    let workspace = Workspace(workers: WorkerPool())
    let blueprint = try BlueprintDecoder(file, workspace: workspace, name: path).blueprint
    self.init(
      name: name, path: path, digest: try SHA256Digest.ofFile(at: path),
      contextLength: blueprint.contextLength, shape: blueprint.shape,
      size: ModelSize(
        hiddenSize: blueprint.hiddenSize, matrixParameters: blueprint.matrixParameters,
        outputParameters: blueprint.outputParameters,
        fileBytes: (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0))
  }
}
