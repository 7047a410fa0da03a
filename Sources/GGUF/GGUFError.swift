/// Why a GGUF file, or one thing in it, cannot be used.
public struct GGUFError: Error, Equatable, CustomStringConvertible {
  public enum Reason: String, Sendable, Equatable {
    /// The file cannot be opened or mapped.
    case cannotOpen
    /// It is not a GGUF file.
    case notGGUF
    /// A version, byte order or tensor type that this program does not read.
    case unsupported
    /// It contradicts itself or its size: truncated, overwritten or forged.
    case damaged
    /// It has no such key or tensor.
    case missing
    /// The key or tensor has another type or shape than asked for.
    case wrongType
  }

  public let reason: Reason
  /// The path, or the name that the caller gave.
  public let file: String
  /// What the problem is about, such as `tensor "output.weight"`; nil for the file as a whole.
  public let subject: String?
  /// Where in the file the offending bytes begin, where that is known.
  public let offset: Int?
  /// What is wrong, with the value in quotes, and what is allowed.
  public let problem: String

  public var description: String {
    var place = file
    if let subject { place += ": \(subject)" }
    if let offset { place += " at byte \(offset)" }
    return "\(place): \(problem)"
  }
}

/// Text from a file in quotes, safe for a terminal: quotes, control and format characters are
/// escaped, long text is cut.
func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars.prefix(80) {
    switch scalar.properties.generalCategory {
    case _ where scalar == "\"" || scalar == "\\": result += "\\\(scalar)"
    case .control, .format, .lineSeparator, .paragraphSeparator, .unassigned, .privateUse:
      result += scalar.escaped(asASCII: true)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return text.unicodeScalars.count > 80 ? result + "...\"" : result + "\""
}
