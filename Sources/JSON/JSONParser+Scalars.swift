/// Strings, numbers, words, and what to say about characters that begin none of them.
extension JSONParser {
  // MARK: Strings

  /// Reads a string; the current byte is its opening quote.
  mutating func parseString() throws(JSONError) -> String {
    let start = index
    index += 1
    var text = ""
    var plain = index
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        text += String(decoding: bytes[plain..<index], as: UTF8.self)
        index += 1
        return text
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[plain..<index], as: UTF8.self)
        text.unicodeScalars.append(try parseEscape())
        plain = index
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
        throw failure(
          "the string is not closed on its line; close it, or write \\n for a line break",
          at: start)
      case ..<0x20:
        throw failure("a control character in a string; write \(Self.escape(byte)) instead")
      default: index += 1
      }
    }
    throw failure("the text ends inside the string that begins here; close it with \"", at: start)
  }

  /// Reads an escape; the current byte is its backslash.
  private mutating func parseEscape() throws(JSONError) -> Unicode.Scalar {
    let start = index
    index += 1
    guard let byte = current else { throw failure("the text ends inside a string") }
    index += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UnicodeScalar(byte)
    case UInt8(ascii: "b"): return "\u{08}"
    case UInt8(ascii: "f"): return "\u{0C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try parseUnicodeEscape(from: start)
    default:
      index = start + 1
      throw failure(
        "\(found) after a backslash; JSON knows \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, and a backslash itself is \\\\",
        at: start)
    }
  }

  private mutating func parseUnicodeEscape(from start: Int) throws(JSONError) -> Unicode.Scalar {
    let unit = try parseHexadecimal(from: start)
    if let scalar = UnicodeScalar(unit) { return scalar }
    let lone = "half a surrogate pair; characters beyond U+FFFF take two escapes, \\uD83D\\uDE00"
    guard unit < 0xDC00, current == UInt8(ascii: "\\"), index + 1 < bytes.count,
      bytes[index + 1] == UInt8(ascii: "u")
    else { throw failure(lone, at: start) }
    index += 2
    let low = try parseHexadecimal(from: start)
    guard 0xDC00...0xDFFF ~= low,
      let scalar = UnicodeScalar(0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00))
    else { throw failure(lone, at: start) }
    return scalar
  }

  private mutating func parseHexadecimal(from start: Int) throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(UnicodeScalar(byte)).hexDigitValue else {
        throw failure("\\u takes four hexadecimal digits, as in \\u00e9", at: start)
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }

  private static func escape(_ byte: UInt8) -> String {
    byte == UInt8(ascii: "\t") ? "\\t" : "\\u" + UnicodeScalar(byte).hexadecimal
  }

  // MARK: Numbers

  mutating func parseNumber() throws(JSONError) -> JSONValue {
    let start = index
    let token = takeNumber()
    let short = token.count <= 40 ? token : token.prefix(37) + "..."
    guard Self.isNumber(token) else {
      throw failure("\"\(short)\" is no JSON number; \(Self.numberHint(token))", at: start)
    }
    if let value = Int(token) { return .integer(value) }
    guard let value = Double(token), value.isFinite else {
      throw failure("the number \"\(short)\" is too large; at most 1.79e308", at: start)
    }
    return Int(exactly: value).map { .integer($0) } ?? .number(value)
  }

  /// All bytes that look like belonging to one number.
  private mutating func takeNumber() -> String {
    let start = index
    while let byte = current,
      Self.isWordByte(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
        || byte == UInt8(ascii: ".")
    {
      index += 1
    }
    return String(decoding: bytes[start..<index], as: UTF8.self)
  }

  private static func isNumber(_ token: String) -> Bool {
    var rest = token.utf8[...]
    func takeDigits() -> Int {
      let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
      rest = rest.dropFirst(digits.count)
      return digits.count
    }
    if rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    let hasLeadingZero = rest.first == UInt8(ascii: "0")
    let digits = takeDigits()
    guard digits > 0, !hasLeadingZero || digits == 1 else { return false }
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      guard takeDigits() > 0 else { return false }
    }
    if rest.first == UInt8(ascii: "e") || rest.first == UInt8(ascii: "E") {
      rest = rest.dropFirst()
      if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") {
        rest = rest.dropFirst()
      }
      guard takeDigits() > 0 else { return false }
    }
    return rest.isEmpty
  }

  private static func numberHint(_ token: String) -> String {
    let digits = token.drop { $0 == "-" || $0 == "+" }
    let lower = digits.lowercased()
    if lower.hasPrefix("inf") || lower.hasPrefix("nan") { return "there are no infinities" }
    if token.hasPrefix("+") { return "leave the \"+\" out" }
    if digits.hasPrefix(".") { return "write a digit before the point, as in 0.5" }
    if lower.hasPrefix("0x") { return "write it in decimal" }
    if token.contains("_") { return "leave the \"_\" out" }
    if digits.hasSuffix(".") || lower.contains(".e") {
      return "write a digit after the point, as in 1.0"
    }
    if digits.hasPrefix("0"), digits.dropFirst().first?.isNumber == true {
      return "leave the leading zeros out"
    }
    return "numbers look like 12, -0.5 or 1e-3; text stands in double quotes"
  }

  // MARK: Words and strays

  static func isWordByte(_ byte: UInt8) -> Bool {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || byte == UInt8(ascii: "_")
  }

  /// The word at the current place, shortened for a message.
  mutating func takeWord() -> String {
    let start = index
    while let byte = current, Self.isWordByte(byte) { index += 1 }
    let word = String(decoding: bytes[start..<index], as: UTF8.self)
    return word.count <= 40 ? word : word.prefix(37) + "..."
  }

  mutating func parseWord() throws(JSONError) -> JSONValue {
    let start = index
    let word = takeWord()
    switch word {
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    case "null": return .null
    default: break
    }
    let hint: String
    switch word.lowercased() {
    case "true", "false", "null": hint = "write \(word.lowercased())"
    case "none", "nil", "undefined": hint = "write null"
    case "nan", "inf", "infinity": hint = "JSON has no such number"
    default: hint = "text stands in double quotes"
    }
    throw failure("\"\(word)\" is no JSON value; \(hint)", at: start)
  }

  /// What stands at the current place, for messages.
  var found: String {
    guard let byte = current else { return "the end of the text" }
    let end = bytes[(index + 1)...].prefix(3).firstIndex { $0 & 0xC0 != 0x80 }
    let character = String(
      decoding: bytes[index..<(byte < 0x80 ? index + 1 : end ?? min(index + 4, bytes.count))],
      as: UTF8.self)
    guard let scalar = character.unicodeScalars.first else { return "an unreadable byte" }
    let isVisible = scalar.value > 0x20 && scalar.value < 0x7F || scalar.properties.isAlphabetic
    return isVisible ? "\"\(character)\"" : "the character U+\(scalar.hexadecimal.uppercased())"
  }

  /// A message for a character that begins nothing which could stand here.
  func unexpected(wanted: String) -> String {
    switch current {
    case UInt8(ascii: "'"): return "a single quote; strings and keys stand in double quotes"
    case UInt8(ascii: ","): return "a comma where \(wanted) is wanted; remove one"
    case 0xE2 where index + 2 < bytes.count && bytes[index + 1] == 0x80 && bytes[index + 2] >= 0x98:
      return "a typographic quote; use the plain \""
    default: return "\(found) where \(wanted) is wanted"
    }
  }
}
