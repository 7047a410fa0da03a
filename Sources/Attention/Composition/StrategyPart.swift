import JSON
import Records
import Tensors

/// A strategy that acts in one phase of a composition.
public struct StrategyPart: Sendable {
  public let phase: StrategyPhase
  public var configured: ConfiguredStrategy

  public init(_ configured: ConfiguredStrategy, in phase: StrategyPhase) {
    self.configured = configured
    self.phase = phase
  }

  public var strategy: any AttentionStrategy { configured.strategy }

  /// - Parameter value: a strategy as a spec writes it: its name, parameters and budget in one
  ///   object.
  /// - Throws: `ConfigurationError`, parameters named `prefill.localWindow`.
  init(
    _ value: JSONValue, in phase: StrategyPhase, of registry: StrategyRegistry
  ) throws(ConfigurationError) {
    self.phase = phase
    let name = value["name"]?.stringValue ?? ""
    guard let entry = registry.entry(named: name), entry.description.fits(phase) else {
      let known = registry.descriptions.filter { $0.fits(phase) }.map(\.name)
      throw ConfigurationError(
        phase.rawValue,
        "\"\(name)\" is no strategy that acts in \(phase.rawValue); use \(known.joined(separator: ", "))"
      )
    }
    do {
      configured = try entry.configure(value)
    } catch {
      throw ConfigurationError("\(phase.rawValue).\(error.parameter)", error.message)
    }
  }
}

extension StrategyPart: ParameterValue {
  public static func kind(_ phase: StrategyPhase) -> ParameterKind { .strategy(phase) }

  public var jsonValue: JSONValue {
    var members = configured.parameters.objectValue ?? [:]
    members["name"] = .string(configured.name)
    return .object(members)
  }

  /// The key that holds the part is its phase.
  public init(from decoder: any Decoder) throws {
    guard let phase = decoder.codingPath.last.flatMap({ StrategyPhase(rawValue: $0.stringValue) })
    else { preconditionFailure("StrategyPart: no phase at \(decoder.codingPath)") }
    try self.init(JSONValue(from: decoder), in: phase, of: .builtIn)
  }

  public static func == (left: StrategyPart, right: StrategyPart) -> Bool {
    left.phase == right.phase && left.configured.budget == right.configured.budget
      && AnyHashable(left.strategy) == AnyHashable(right.strategy)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(phase)
    hasher.combine(AnyHashable(strategy))
  }
}
