import Attention
import Calibration
import Foundation
import JSON
import Planning
import Records
import Tasks
import Tensors

/// One strategy on one model outside of an experiment: for generating, scoring and trying out.
public struct SingleRun {
  private let model: LoadedModel
  private let strategy: StrategyArgument

  public init(_ model: LoadedModel, _ strategy: StrategyArgument) {
    self.model = model
    self.strategy = strategy
  }

  /// A session for one sequence; calibrates first where the strategy asks for it.
  ///
  /// - Parameters:
  ///   - promptTokens: what a budget given as a fraction is a part of.
  ///   - remark: told before a calibration, which takes its time and is not stored.
  public func makeSession(
    promptTokens: Int, remark: (String) -> Void = { _ in }
  ) throws -> AttentionSession {
    let configured = try calibrated(promptTokens: promptTokens, remark: remark)
    let session = AttentionSession(
      configured.forPrompt(of: promptTokens, shape: model.model.shape), shape: model.model.shape,
      workspace: model.model.workspace, cache: configured.cache)
    guard !session.readsFuture else {
      throw ConfigurationError(
        "--strategy",
        "\(strategy.configured.name) reads what follows the prompt, which is not known here; use it in an experiment (tca-lab run)"
      )
    }
    return session
  }

  /// The strategy with the results of its offline phases.
  ///
  /// - Throws: `ConfigurationError` for parameters that do not fit the model.
  public func calibrated(
    promptTokens: Int, remark: (String) -> Void = { _ in }
  ) throws -> ConfiguredStrategy {
    let shape = model.model.shape
    let contextLength = model.model.contextLength
    try strategy.configured.checkCache()
    try strategy.configured.assumingCalibrated(for: shape, contextLength: contextLength)
      .check(promptTokens: promptTokens, shape: shape)
    return try strategy.configured.calibrated(
      sized: strategy.configured.forPrompt(of: promptTokens, shape: shape),
      contextLength: contextLength
    ) { calibrated, request in
      remark(
        "calibrating \(strategy.configured.name) on \(request.tokens) tokens of \(request.corpus), as every time; tca-lab calibrate writes parameters that need it no more"
      )
      return try OfflinePhase(
        request, of: calibrated, model: model,
        corpus: Corpus(named: request.corpus, folder: .currentDirectory())
      ).run().evidence
    }
  }
}
