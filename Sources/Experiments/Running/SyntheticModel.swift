import Attention
import Calibration
import Foundation
import Synthesis
import Tasks
import Transformer

/// Attention inputs without a model, ready to run.
struct SyntheticModel: RunModel {
  let name: String
  let geometry: SyntheticGeometry
  let model: any DecoderModel

  init(_ geometry: SyntheticGeometry, name: String, workspace: Workspace) {
    self.name = name
    self.geometry = geometry
    model = SyntheticDecoder(geometry, name: name, workspace: workspace)
  }

  var digest: String { geometry.digest }

  func requireUnchanged() {}

  /// A spec puts no other task to it.
  func samples(
    of task: any ExperimentTask, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    guard let task = task as? AttentionTask else {
      throw TaskError(
        task: type(of: task).description.name,
        problem: "needs a model that reads text; \"\(name)\" is synthetic")
    }
    return task.samples(contextLength: contextLength, seed: seed)
  }

  /// None: its tokens stand for rows of inputs.
  func text(of tokens: [Int32]) -> String { "" }

  /// The stream that calibrations look at: inputs of the same heads, none that is evaluated.
  static let calibrationStream = Int32.max

  /// Calibrates on the model's own inputs, whatever text the strategy names.
  func offlinePhase(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, folder: URL
  ) throws -> OfflinePhase {
    var request = request
    request.corpus = "its own attention inputs"
    return try OfflinePhase(
      request, of: strategy, model: self, corpusDigest: digest,
      tokens: { [request] in Array(repeating: Self.calibrationStream, count: request.tokens) })
  }
}
