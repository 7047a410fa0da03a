import Calibration
import Foundation
import Tasks
import Transformer

/// What the cells of a run are about: a model from a file, or attention inputs without one.
public protocol RunModel {
  /// As the spec calls it.
  var name: String { get }
  var model: any DecoderModel { get }
  /// SHA-256 of all that decides what it computes.
  var digest: String { get throws }

  /// Throws where the model is no longer the one that was opened: what it computed since is not to be
  /// stored.
  func requireUnchanged() throws

  /// The samples of a task that can be put to it.
  func samples(
    of task: any ExperimentTask, contextLength: Int, seed: Int
  ) throws -> [TaskSample]

  /// Tokens that it wrote, as text.
  func text(of tokens: [Int32]) -> String

  /// The offline phase that a strategy asks for; `folder` is where relative paths of texts start.
  func offlinePhase(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, folder: URL
  ) throws -> OfflinePhase
}

extension LoadedModel: RunModel {
  public func samples(
    of task: any ExperimentTask, contextLength: Int, seed: Int
  ) throws -> [TaskSample] {
    try task.samples(tokenizer: tokenizer, contextLength: contextLength, seed: seed)
  }

  public func text(of tokens: [Int32]) -> String {
    tokenizer.decode(tokens, continuing: true)
  }

  public func offlinePhase(
    _ request: CalibrationRequest, of strategy: any CalibratedStrategy, folder: URL
  ) throws -> OfflinePhase {
    try OfflinePhase(
      request, of: strategy, model: self, corpus: Corpus(named: request.corpus, folder: folder))
  }
}
