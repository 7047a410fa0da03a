import Attention
import Digests
import Foundation
import GGUF
import Planning
import Tensors
import Threads
import Transformer

extension ModelFacts {
  /// What a GGUF file says; checks everything that loading it would check, and hashes it.
  ///
  /// - Parameters:
  ///   - name: as a spec calls it.
  ///   - ropeScaling: takes the place of the file's own.
  ///   - checkDigest: throws where the SHA-256 is not what it should be.
  public init(
    name: String, path: String, ropeScaling: RotaryScaling? = nil,
    checkDigest: (_ digest: String) throws -> Void = { _ in }
  ) throws {
    let file = try GGUFFile(path: path)
    let workspace = Workspace(workers: WorkerPool())
    let blueprint = try BlueprintDecoder(
      file, workspace: workspace, name: path, ropeScaling: ropeScaling
    ).blueprint
    let digest = try SHA256Digest.ofFile(at: path)
    try checkDigest(digest)
    self.init(
      name: name, path: path, digest: digest,
      contextLength: blueprint.contextLength, shape: blueprint.shape,
      size: ModelSize(
        hiddenSize: blueprint.hiddenSize, matrixParameters: blueprint.matrixParameters,
        outputParameters: blueprint.outputParameters,
        fileBytes: (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0),
      ropeScaling: ropeScaling)
  }
}
