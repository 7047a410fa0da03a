extension JSONValue {
  /// The one text of this value, in which it is hashed and compared: no spaces, keys sorted by
  /// their UTF-8 bytes, whole numbers without a point, other numbers by the fewest digits that read
  /// back the same, strings as UTF-8 with only `"`, `\` and control characters escaped.
  ///
  /// JSON has no word for NaN and infinities: they become `null`.
  public var canonicalText: String {
    var text = ""
    writeCanonical(to: &text)
    return text
  }

  /// The same for people: two spaces of indentation, a list or an object on one line where it holds
  /// no other and fits.
  public var prettyText: String {
    var text = ""
    writePretty(to: &text, indentation: 0, column: 0)
    return text
  }

  private func writeCanonical(to text: inout String) {
    switch self {
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += "," }
        element.writeCanonical(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.members.enumerated() {
        if index > 0 { text += "," }
        Self.writeString(member.key, to: &text)
        text += ":"
        member.value.writeCanonical(to: &text)
      }
      text += "}"
    default: writeScalar(to: &text)
    }
  }

  private static let lineLength = 100

  private func writePretty(to text: inout String, indentation: Int, column: Int) {
    if let line = lineText, column + line.count <= Self.lineLength {
      text += line
      return
    }
    let inner = String(repeating: " ", count: indentation + 2)
    switch self {
    case .array(let elements):
      text += "["
      for (index, element) in elements.enumerated() {
        text += (index > 0 ? ",\n" : "\n") + inner
        element.writePretty(to: &text, indentation: indentation + 2, column: indentation + 2)
      }
      text += "\n" + String(repeating: " ", count: indentation) + "]"
    case .object(let members):
      text += "{"
      for (index, member) in members.members.enumerated() {
        text += (index > 0 ? ",\n" : "\n") + inner
        Self.writeString(member.key, to: &text)
        text += ": "
        member.value.writePretty(
          to: &text, indentation: indentation + 2, column: indentation + member.key.count + 6)
      }
      text += "\n" + String(repeating: " ", count: indentation) + "}"
    default: writeScalar(to: &text)
    }
  }

  /// The value on one line; nil where it holds lists or objects that are not empty.
  private var lineText: String? {
    var text = ""
    switch self {
    case .array(let elements):
      guard elements.allSatisfy(\.isScalarOrEmpty) else { return nil }
      text += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { text += ", " }
        element.writeScalar(to: &text)
      }
      text += "]"
    case .object(let members):
      let members = members.members
      guard members.allSatisfy(\.value.isScalarOrEmpty) else { return nil }
      text += "{"
      for (index, member) in members.enumerated() {
        if index > 0 { text += ", " }
        Self.writeString(member.key, to: &text)
        text += ": "
        member.value.writeScalar(to: &text)
      }
      text += "}"
    default: writeScalar(to: &text)
    }
    return text
  }

  private var isScalarOrEmpty: Bool {
    switch self {
    case .array(let elements): elements.isEmpty
    case .object(let members): members.isEmpty
    default: true
    }
  }

  /// Writes anything but a list or object with contents.
  private func writeScalar(to text: inout String) {
    switch self {
    case .null: text += "null"
    case .boolean(let value): text += value ? "true" : "false"
    case .integer(let value): text += String(value)
    case .number(let value):
      if let whole = Int(exactly: value) {
        text += String(whole)
      } else {
        text += value.isFinite ? value.description : "null"
      }
    case .string(let value): Self.writeString(value, to: &text)
    case .array: text += "[]"
    case .object: text += "{}"
    }
  }

  private static func writeString(_ string: String, to text: inout String) {
    text += "\""
    // Most texts have nothing to escape.
    guard string.utf8.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }) else {
      text += string
      text += "\""
      return
    }
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{08}": text += "\\b"
      case "\u{0C}": text += "\\f"
      case ..<" ": text += "\\u" + scalar.hexadecimal
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
