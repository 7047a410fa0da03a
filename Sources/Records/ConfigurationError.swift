/// Parameters that contradict each other or the model.
public struct ConfigurationError: Error, Hashable, CustomStringConvertible, Sendable {
  /// The parameter at fault.
  public var parameter: String
  public var message: String

  public init(_ parameter: String, _ message: String) {
    self.parameter = parameter
    self.message = message
  }

  public var description: String { "\(parameter): \(message)" }
}
