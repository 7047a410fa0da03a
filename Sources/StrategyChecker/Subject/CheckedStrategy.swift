import Attention
import Kernels
import Records
import Tensors

/// A strategy as the checker sees it: what it says of itself, and how to put it to work.
public struct CheckedStrategy {
  public let description: StrategyDescription
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
    self.description = description
    self.makeSession = makeSession
  }

  /// A member of the registry.
  public init(_ entry: any RegisteredStrategy) {
    self.init(description: entry.description) {
      try entry.makeSession(parameters: $0, shape: $1, workspace: $2)
    }
  }

  /// A strategy by its type, registered or not.
  public init<Strategy: AttentionStrategy>(_ type: Strategy.Type) {
    self.init(StrategyEntry<Strategy>())
  }
}
