import Attention
import Calibration
import JSON

extension SpecEnvironment {
  /// What the strategies of a registry have against parameters: a check for `strategyProblems`.
  ///
  /// A budget stands in for the number that it will become, what calibration will choose for something that fits.
  public static func problems(
    in registry: StrategyRegistry
  ) -> (_ strategy: String, _ parameters: JSONValue, _ model: ModelFacts) -> [ConfigurationError] {
    { strategy, parameters, model in
      guard let entry = registry.entry(named: strategy) else { return [] }
      do {
        let ready = try entry.changing(parameters, in: registry) { entry, parameters, part in
          do {
            return try standIn(parameters, of: entry, model)
          } catch let error as ConfigurationError {
            guard let part else { throw error }
            throw ConfigurationError("\(part).\(error.parameter)", error.message)
          }
        }
        try entry.check(parameters: ready, shape: model.shape)
        return []
      } catch let error as ConfigurationError {
        return [error]
      } catch {
        return [ConfigurationError(strategy, "\(error)")]
      }
    }
  }

  /// Parameters as they could be at run time: a budget as some number, what calibration will choose as something that
  /// fits.
  private static func standIn(
    _ parameters: JSONValue, of entry: any RegisteredStrategy, _ model: ModelFacts
  ) throws -> JSONValue {
    var members = parameters.objectValue ?? [:]
    if let budget = members["budget"] {
      members["budget"] = resolved(budget, promptTokens: model.contextLength)
    }
    let sized = JSONValue.object(members)
    guard let calibrated = CalibrationRegistry.builtIn.entry(for: entry.description.name) else {
      return sized
    }
    // An offline phase longer than the context is found here rather than in the middle of a run.
    _ = try calibrated.request(parameters: sized, contextLength: model.contextLength)
    return try calibrated.provisional(parameters: sized, shape: model.shape)
  }

  /// Parameters of strategies that name a text.
  static let strategyTextParameters = ["calibrationCorpus"]

  /// A budget of the form in which the strategy will meet it, sized for a prompt of `promptTokens`.
  private static func resolved(_ budget: JSONValue, promptTokens: Int) -> JSONValue {
    func density(_ value: Double) -> JSONValue {
      ["density": .number(value), "promptTokens": .integer(promptTokens)]
    }
    switch SpecBudget(budget) {
    case .tokens(let count): return ["tokens": .integer(count)]
    case .density(let value): return density(value)
    case .mass(let value): return ["mass": .number(value)]
    case .matching(_, of: .density): return density(1)
    default: return ["tokens": .integer(promptTokens)]
    }
  }
}
