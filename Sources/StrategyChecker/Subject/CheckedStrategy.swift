import Attention
import JSON
import Records
import Tensors

/// A strategy as the checker sees it: what it says of itself, and how to put it to work.
public struct CheckedStrategy {
  public let description: StrategyDescription
  /// What it says of itself once its parameters are known.
  let describe: (JSONValue) -> StrategyDescription
  /// Makes a new session from parameters that are all present; throws where they contradict each other.
  let makeSession: (JSONValue, AttentionShape, Workspace) throws -> any StrategySession
  /// Sets of parameters to try beside those that follow from the description; missing ones have their defaults.
  public var extraParameters: [[String: JSONValue]] = []
  /// The same for sets under which everything is kept.
  public var extraCoveringParameters: [[String: JSONValue]] = []

  public init(
    description: StrategyDescription,
    makeSession:
      @escaping (JSONValue, AttentionShape, Workspace) throws -> any StrategySession
  ) {
    self.init(description: description, describe: { _ in description }, makeSession: makeSession)
  }

  private init(
    description: StrategyDescription, describe: @escaping (JSONValue) -> StrategyDescription,
    makeSession:
      @escaping (JSONValue, AttentionShape, Workspace) throws -> any StrategySession
  ) {
    self.description = description
    self.describe = describe
    self.makeSession = makeSession
  }

  /// A member of the registry.
  public init(_ entry: any RegisteredStrategy) {
    self.init(
      description: entry.description, describe: { entry.description(with: $0) },
      makeSession: { try entry.makeSession(parameters: $0, shape: $1, workspace: $2) })
  }

  /// A strategy by its type, registered or not.
  public init<Strategy: AttentionStrategy>(_ type: Strategy.Type) {
    self.init(StrategyEntry<Strategy>())
  }
}
