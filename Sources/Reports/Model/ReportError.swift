/// Why a report cannot be made.
public struct ReportError: Error, Sendable, Hashable, CustomStringConvertible {
  public var detail: String
  /// The next step.
  public var advice: String

  public init(_ detail: String, advice: String) {
    self.detail = detail
    self.advice = advice
  }

  public var description: String { "\(detail). \(advice)" }
}
