import JSON
import Records

extension RegisteredStrategy {
  /// The parameters after `change` has had those of each part, then those of the whole.
  ///
  /// - Parameters:
  ///   - change: gets the entry of the part or of the whole, its parameters (a part's with its `name`), and the parameter
  ///     that holds the part, nil for the whole.
  public func changing(
    _ parameters: JSONValue, in registry: StrategyRegistry = .builtIn,
    _ change: (
      _ entry: any RegisteredStrategy, _ parameters: JSONValue, _ part: String?
    ) throws -> JSONValue
  ) rethrows -> JSONValue {
    var members = parameters.objectValue ?? [:]
    for (parameter, entry, value) in parts(of: parameters, in: registry) {
      members[parameter.name] = try change(entry, value, parameter.name)
    }
    return try change(self, .object(members), nil)
  }

  /// What the description says once the parameters are known.
  public func description(
    with parameters: JSONValue, in registry: StrategyRegistry = .builtIn
  ) -> StrategyDescription {
    description.with(parameters) { registry.entry(named: $0)?.description }
  }

  /// The parts that are given and known.
  private func parts(
    of parameters: JSONValue, in registry: StrategyRegistry
  ) -> [(ParameterDescription, any RegisteredStrategy, JSONValue)] {
    description.parameters.compactMap { parameter in
      guard parameter.partPhase != nil, let value = parameters[parameter.name],
        let name = value["name"]?.stringValue, let entry = registry.entry(named: name)
      else { return nil }
      return (parameter, entry, value)
    }
  }
}
