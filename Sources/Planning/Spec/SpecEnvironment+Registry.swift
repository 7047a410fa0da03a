import Attention
import Calibration
import JSON
import Records

extension SpecEnvironment {
  /// What the strategies of a registry have against parameters: a check for `strategyProblems`.
  ///
  /// A budget stands in for the number that it will become, what calibration will choose for something that fits.
  public static func problems(
    in registry: StrategyRegistry
  ) -> (_ strategy: String, _ parameters: JSONValue, _ model: ModelFacts) -> [ConfigurationError] {
    { strategy, parameters, model in
      do {
        // An offline phase longer than the context is found here rather than in the middle of a run.
        let configured = try registry.entry(named: strategy)?.configure(parameters)
        try configured?.checkCache()
        try configured?
          .assumingCalibrated(for: model.shape, contextLength: model.contextLength)
          .check(promptTokens: model.contextLength, shape: model.shape)
        return []
      } catch let error as ConfigurationError {
        return [error]
      } catch {
        return [ConfigurationError(strategy, "\(error)")]
      }
    }
  }

  /// Parameters of strategies that name a text.
  static let strategyTextParameters = ["calibrationCorpus"]
}
