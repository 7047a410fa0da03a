import Records
import Tensors

/// The strategies that are built in.
///
/// A new one is a file in `Strategies` and a line here; listing, validation, tests and reports follow from it.
public struct StrategyRegistry: Sendable {
  public let entries: [any RegisteredStrategy]

  public init(_ entries: [any RegisteredStrategy]) { self.entries = entries }

  public static let builtIn = StrategyRegistry([
    StrategyEntry<FullAttention>(),
    StrategyEntry<StreamingLLM>(),
    StrategyEntry<TCA>(),
  ])

  public var descriptions: [StrategyDescription] { entries.map(\.description) }

  public func entry(named name: String) -> (any RegisteredStrategy)? {
    entries.first { $0.description.name == name }
  }
}

/// A strategy as the registry holds it: made from the parameters of a spec.
public protocol RegisteredStrategy: Sendable {
  var description: StrategyDescription { get }

  /// Throws what `makeSession` would throw for these parameters and this shape.
  func check(parameters: JSONValue, shape: AttentionShape) throws

  /// The strategy at work on a new sequence.
  ///
  /// - Parameter parameters: an object under the names of `description.parameters`; what is missing takes its default.
  ///   `budget`, where there is one, is a ``Budget``. A parameter without a default is left out.
  /// - Throws: `ConfigurationError` for parameters that contradict each other or the shape.
  func makeSession(
    parameters: JSONValue, shape: AttentionShape, workspace: Workspace
  ) throws -> any StrategySession
}

extension RegisteredStrategy {
  /// The parameters with the defaults of those that are missing; those without a default stay away.
  public func filledParameters(_ parameters: JSONValue) -> JSONValue {
    var members = parameters.objectValue ?? [:]
    for parameter in description.parameters where members[parameter.name] == nil {
      members[parameter.name] = parameter.defaultValue
    }
    return .object(members.filter { !$0.value.isNull })
  }
}

/// The entry of one type of strategy.
public struct StrategyEntry<Strategy: AttentionStrategy>: RegisteredStrategy {
  public init() {}

  public var description: StrategyDescription { Strategy.description }

  public func check(parameters: JSONValue, shape: AttentionShape) throws {
    _ = try strategy(parameters, shape)
  }

  public func makeSession(
    parameters: JSONValue, shape: AttentionShape, workspace: Workspace
  ) throws -> any StrategySession {
    AttentionSession(try strategy(parameters, shape), shape: shape, workspace: workspace)
  }

  private func strategy(_ parameters: JSONValue, _ shape: AttentionShape) throws -> Strategy {
    let filled = filledParameters(parameters)
    let configuration: Strategy.Configuration
    do {
      configuration = try filled.decode(as: Strategy.Configuration.self)
    } catch {
      throw ConfigurationError(
        description.name, "the parameters \(filled.canonicalText) do not fit: \(error)")
    }
    return try Strategy(configuration, for: shape)
  }
}
