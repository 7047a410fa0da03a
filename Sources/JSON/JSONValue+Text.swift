extension JSONValue {
  /// The one text of this value, in which it is hashed and compared: no spaces, keys sorted by their UTF-8 bytes,
  /// whole numbers without a point, other numbers by the fewest digits that read back the same, strings as UTF-8
  /// with only `"`, `\` and control characters escaped.
  ///
  /// JSON has no word for NaN and infinities: they become `null`.
  public var canonicalText: String {
    var text = ""
    writeCanonical(to: &text)
    return text
  }

  /// The same for people: two spaces of indentation, a list or an object on one line where it holds no other and fits.
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
      for (index, key) in Self.sortedKeys(members).enumerated() {
        if index > 0 { text += "," }
        Self.writeString(key, to: &text)
        text += ":"
        members[key]?.writeCanonical(to: &text)
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
      for (index, key) in Self.sortedKeys(members).enumerated() {
        text += (index > 0 ? ",\n" : "\n") + inner
        Self.writeString(key, to: &text)
        text += ": "
        members[key]?.writePretty(
          to: &text, indentation: indentation + 2, column: indentation + key.count + 6)
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
      guard members.values.allSatisfy(\.isScalarOrEmpty) else { return nil }
      text += "{"
      for (index, key) in Self.sortedKeys(members).enumerated() {
        if index > 0 { text += ", " }
        Self.writeString(key, to: &text)
        text += ": "
        members[key]?.writeScalar(to: &text)
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

  private static func sortedKeys(_ members: [String: JSONValue]) -> [String] {
    members.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func writeString(_ string: String, to text: inout String) {
    text += "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{08}": text += "\\b"
      case "\u{0C}": text += "\\f"
      case ..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
