import Attention
import Calibration
import Records

extension SpecEnvironment {
  /// What the strategies of a registry have against parameters: a check for `strategyProblems`.
  ///
  /// A budget stands in for the number that it will become; heads that calibration will choose keep everything.
  public static func problems(
    in registry: StrategyRegistry
  ) -> (_ strategy: String, _ parameters: JSONValue, _ model: ModelFacts) -> [ConfigurationError] {
    { strategy, parameters, model in
      guard let entry = registry.entry(named: strategy) else { return [] }
      do {
        let ready = try entry.changing(parameters, in: registry) { entry, parameters, part in
          do {
            // An offline phase longer than the context is found here rather than in the middle of a run.
            _ = try CalibrationRegistry.builtIn.entry(for: entry.description.name)?.request(
              parameters: parameters, contextLength: model.contextLength)
          } catch let error as ConfigurationError {
            guard let part else { throw error }
            throw ConfigurationError("\(part).\(error.parameter)", error.message)
          }
          return standIn(parameters, model)
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

  /// Parameters as they could be at run time: a budget as some number, calibrated heads as if they kept everything.
  private static func standIn(_ parameters: JSONValue, _ model: ModelFacts) -> JSONValue {
    var members = parameters.objectValue ?? [:]
    if let budget = members["budget"] {
      members["budget"] = resolved(budget, promptTokens: model.contextLength)
    }
    let isCalibrated =
      members["heads"]?.isNull == true
      && strategyTextParameters.contains { members[$0] != nil }
    if isCalibrated {
      members["heads"] = .array(
        Array(repeating: -1, count: model.shape.layers * model.shape.queryHeads))
    }
    return .object(members)
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
