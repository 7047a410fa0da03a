import Attention
import Calibration
import Foundation
import Records
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
  /// - Parameter promptTokens: what a budget given as a fraction is a part of.
  public func makeSession(promptTokens: Int) throws -> any StrategySession {
    let session = try strategy.entry.makeSession(
      parameters: resolvedParameters(promptTokens: promptTokens), shape: model.model.shape,
      workspace: model.model.workspace)
    guard !session.readsFuture else {
      throw ConfigurationError(
        "--strategy",
        "\(strategy.entry.description.name) reads what follows the prompt, which is not known here; use it in an experiment (tca-lab run)"
      )
    }
    return session
  }

  /// All parameters of a session, the budget in tokens and the result of the offline phase included.
  public func resolvedParameters(promptTokens: Int) throws -> JSONValue {
    let shape = model.model.shape
    let resolver = BudgetResolver(
      shape: shape, promptTokens: promptTokens, matchedMeasurement: { _, _ in nil })
    return try strategy.entry.changing(strategy.parameters) { entry, parameters, _ in
      let sized = try resolver.resolvingBudget(of: parameters)
      guard let calibrated = CalibrationRegistry.builtIn.entry(for: entry.description.name),
        let request = try calibrated.request(
          parameters: sized, contextLength: model.model.contextLength)
      else { return sized }
      let record = try OfflinePhase(
        request, of: calibrated, model: model,
        corpus: Corpus(named: request.corpus, folder: .currentDirectory())
      ).run()
      return try calibrated.resolve(parameters: sized, evidence: record.evidence)
    }
  }
}
