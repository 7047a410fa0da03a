import Attention
import Foundation
import GGUF
import Kernels
import Testing
import Threads
import Transformer

/// Everything that needs a real model: the program's numbers against an independent implementation's, on
/// SmolLM2-135M-Instruct. One test at a time, each with a model of its own.
@Suite("On SmolLM2-135M-Instruct", .serialized, .needsModel)
enum RealModelTests {}

/// The real model that this suite runs on, if it lies in the program's cache.
enum LocalModel {
  static let fileName = "SmolLM2-135M-Instruct.Q4_1.gguf"

  /// `$XDG_CACHE_HOME/tca-lab`, or `~/.cache/tca-lab`.
  static var path: String {
    let environment = ProcessInfo.processInfo.environment
    let cache =
      environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? NSHomeDirectory() + "/.cache"
    return "\(cache)/tca-lab/\(fileName)"
  }

  static var isPresent: Bool { FileManager.default.fileExists(atPath: path) }

  static func load(threadCount: Int = 2) throws -> BlueprintDecoder {
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
  /// Skips with a plain message where the model is not in the cache.
  static var needsModel: Self {
    .enabled(
      if: LocalModel.isPresent,
      "no model at \(LocalModel.path); `tca-lab models pull smollm2-135m-instruct` fetches it"
    )
  }
}
