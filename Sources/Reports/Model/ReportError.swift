/// Why a report cannot be made.
public struct ReportError: Error, Sendable, Hashable, CustomStringConvertible {
  public var detail: String
  /// The next step.
  public var advice: String

  public var description: String { "\(detail). \(advice)" }
}
