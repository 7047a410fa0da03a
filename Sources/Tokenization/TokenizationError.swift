/// Why a vocabulary, a chat template or a text cannot be used.
public struct TokenizationError: Error, Equatable, CustomStringConvertible {
  public enum Reason: String, Sendable, Equatable {
    /// It may be a sound vocabulary or template, of a kind that this program does not know.
    case unsupported
    /// It contradicts itself.
    case damaged
  }

  public let reason: Reason
  /// The file it came from; nil where unknown.
  public var file: String?
  /// What is wrong, with the value in quotes, and what is allowed.
  public let problem: String

  public init(_ reason: Reason, _ problem: String, file: String? = nil) {
    self.reason = reason
    self.problem = problem
    self.file = file
  }

  public var description: String { file.map { "\($0): \(problem)" } ?? problem }
}

/// A text from a file in quotes, fit for a terminal: everything but printable scalars is escaped,
/// long ones are cut.
func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars.prefix(60) {
    switch scalar.properties.generalCategory {
    case _ where scalar == "\"" || scalar == "\\": result += "\\\(scalar)"
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      result += scalar.escaped(asASCII: true)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return text.unicodeScalars.count > 60 ? result + "...\"" : result + "\""
}
