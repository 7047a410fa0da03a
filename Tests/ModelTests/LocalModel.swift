import Attention
import Foundation
import GGUF
import Kernels
import Testing
import Threads
import Transformer

/// Everything that needs a real model: the program's numbers against an independent implementation's, on
/// SmolLM2-135M-Instruct. One test at a time, each with a model of its own.
@Suite("On SmolLM2-135M-Instruct", .serialized, .needs(.smolLM2))
enum RealModelTests {}

/// A real model that tests run on, if it lies in the program's cache.
struct LocalModel: Sendable {
  /// In the catalogue.
  let name: String
  let fileName: String

  static let smolLM2 = LocalModel(
    name: "smollm2-135m-instruct", fileName: "SmolLM2-135M-Instruct.Q4_1.gguf")
  static let gemma3 = LocalModel(
    name: "gemma3-270m", fileName: "gemma-3-270m-q4_k_m.gguf")

  /// In `$XDG_CACHE_HOME/tca-lab`, or `~/.cache/tca-lab`.
  var path: String {
    let environment = ProcessInfo.processInfo.environment
    let cache =
      environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? NSHomeDirectory() + "/.cache"
    return "\(cache)/tca-lab/\(fileName)"
  }

  var isPresent: Bool { FileManager.default.fileExists(atPath: path) }

  func load(threadCount: Int = 2) throws -> BlueprintDecoder {
    let workspace = Workspace(workers: try WorkerPool(threadCount: threadCount))
    return try BlueprintDecoder(try GGUFFile(path: path), workspace: workspace, name: fileName)
  }
}

extension BlueprintDecoder {
  /// A fresh sequence under dense attention.
  func denseSession() -> AttentionSession {
    AttentionSession(FullAttention(), shape: shape, workspace: workspace)
  }
}

extension Trait where Self == ConditionTrait {
  /// Skips with a plain message where the model is not in the cache, unless `REQUIRE_MODEL=1`: then
  /// its tests run, and fail.
  static func needs(_ model: LocalModel) -> Self {
    .enabled(
      if: model.isPresent || ProcessInfo.processInfo.environment["REQUIRE_MODEL"] == "1",
      "no model at \(model.path); `tca-lab models pull \(model.name)` fetches it")
  }
}
