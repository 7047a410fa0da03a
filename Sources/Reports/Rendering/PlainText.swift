import JSON

extension String {
  /// On one line: a blank for each run of line breaks, none at the ends.
  var onOneLine: String {
    if isPrintableASCII { return self }
    return unicodeScalars.split { Self.lineBreaks.contains($0) }.map { String($0) }.joined(
      separator: " ")
  }

  /// True for most texts, which nothing needs to be done to.
  fileprivate var isPrintableASCII: Bool { utf8.allSatisfy { 0x20..<0x7F ~= $0 } }

  /// Columns of a terminal, one for each character.
  var width: Int { isPrintableASCII ? utf8.count : count }

  /// Line feed, vertical tab, form feed, carriage return, next line, line and paragraph separator.
  private static let lineBreaks: Set<Unicode.Scalar> = [
    "\n", "\u{B}", "\u{C}", "\r", "\u{85}", "\u{2028}", "\u{2029}",
  ]
}

/// Text inside of XML and HTML.
enum XMLText {
  /// For elements and attributes; without the characters that XML does not allow.
  static func escaped(_ text: String) -> String {
    if text.utf8.allSatisfy(isPlain) { return text }
    return text.replacingScalars { scalar in
      switch scalar {
      case "\n", "\t": nil
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      case "\"": "&quot;"
      case "\u{FFFE}", "\u{FFFF}": ""
      default: scalar.properties.generalCategory == .control ? "" : nil
      }
    }
  }

  /// Printable ASCII without a meaning of its own: all of most texts.
  private static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "&"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "\""): false
    default: 0x20..<0x7F ~= byte
    }
  }
}

/// Text that goes to a person's terminal.
public enum TerminalText {
  /// Without power over the terminal: control characters, and those that turn the direction of the
  /// text around, as escapes like `\u001b`. Line feeds and tabs stay.
  public static func safe(_ text: String) -> String {
    if text.isPrintableASCII { return text }
    return text.replacingScalars { scalar in
      isUnsafe(scalar) ? "\\u" + scalar.hexadecimal : nil
    }
  }

  /// The same on one line, without tabs, so that columns stay aligned.
  public static func line(_ text: String) -> String {
    if text.isPrintableASCII { return text }
    return safe(text.onOneLine).replacingScalars { $0 == "\t" ? " " : nil }
  }

  /// Embeddings, overrides and isolates of Unicode's bidirectional algorithm.
  static func turnsDirection(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}": true
    default: false
    }
  }

  private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar {
    case "\n", "\t": false
    case ..<" ", "\u{7F}"..."\u{9F}": true
    default: turnsDirection(scalar)
    }
  }
}
