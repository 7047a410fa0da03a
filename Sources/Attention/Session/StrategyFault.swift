/// A strategy that broke its contract, and how.
public struct StrategyFault: Error, Hashable, CustomStringConvertible {
  public var strategy: String
  public var message: String

  public var description: String { "\(strategy) broke its contract: \(message)" }
}
