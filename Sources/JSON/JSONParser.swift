/// Reads strict JSON and explains what is not.
///
/// Written by hand because a spec's error messages need what Foundation's parser does not tell: the
/// place of every value, and that a key occurs twice.
struct JSONParser {
  static let maximumDepth = 128

  let bytes: [UInt8]
  var index = 0
  /// Where each list element or key begins; filled if asked for.
  private(set) var offsets: [JSONPath: Int] = [:]
  private let recordsOffsets: Bool
  /// The keys of the outermost object whose values are read; nil for all.
  private let readKeys: Set<String>?
  private var path: [JSONPath.Component] = []

  init(_ bytes: [UInt8], recordsOffsets: Bool, readKeys: Set<String>? = nil) {
    self.bytes = bytes
    self.recordsOffsets = recordsOffsets
    self.readKeys = readKeys
  }

  mutating func parseDocument() throws(JSONError) -> JSONValue {
    try checkEncoding()
    try skipSpace()
    guard current != nil else {
      throw failure("the text is empty; JSON is an object {…}, a list […], a string or a number")
    }
    record()
    let value = try parseValue()
    try skipSpace()
    guard current == nil else {
      throw failure("\(found) follows the end of the JSON value; remove it")
    }
    return value
  }

  // MARK: Values

  mutating func parseValue() throws(JSONError) -> JSONValue {
    try skipSpace()
    guard let byte = current else { throw failure(unexpected(wanted: "a value")) }
    switch byte {
    case UInt8(ascii: "{"): return try parseObject()
    case UInt8(ascii: "["): return try parseArray()
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
      UInt8(ascii: "."):
      return try parseNumber()
    case _ where Self.isWordByte(byte): return try parseWord()
    default: throw failure(unexpected(wanted: "a value"))
    }
  }

  private mutating func parseArray() throws(JSONError) -> JSONValue {
    let start = index
    try checkDepth()
    index += 1
    var elements: [JSONValue] = []
    try skipSpace()
    if current == UInt8(ascii: "]") {
      index += 1
      return .array([])
    }
    while true {
      path.append(.index(elements.count))
      try skipSpace()
      record()
      elements.append(try parseValue())
      path.removeLast()
      if try endsAfterElement(closing: UInt8(ascii: "]"), opened: start, what: "list") { break }
    }
    return .array(elements)
  }

  private mutating func parseObject() throws(JSONError) -> JSONValue {
    let start = index
    try checkDepth()
    index += 1
    var members = JSONObject()
    var keyOffsets: [ExactText: Int] = [:]
    try skipSpace()
    if current == UInt8(ascii: "}") {
      index += 1
      return .object(members)
    }
    while true {
      try skipSpace()
      let keyStart = index
      let key = try parseKey()
      let isRead = !path.isEmpty || readKeys?.contains(key) != false
      path.append(.key(key))
      let first = keyOffsets.updateValue(keyStart, forKey: ExactText(key))
      if isRead, let first {
        let place = JSONPosition(ofByte: first, in: bytes)
        throw failure(
          "the key \(JSONValue.string(key).shortText) stands twice, first in \(place); keep one",
          at: keyStart)
      }
      record(at: keyStart)
      try skipSpace()
      guard current == UInt8(ascii: ":") else {
        throw failure(
          current == UInt8(ascii: "=")
            ? "\"=\" after a key; write \":\"" : "\(found) after a key, where \":\" is wanted")
      }
      index += 1
      members[key] = isRead ? try parseValue() : try skipValue()
      path.removeLast()
      if try endsAfterElement(closing: UInt8(ascii: "}"), opened: start, what: "object") { break }
    }
    return .object(members)
  }

  /// Passes over a value that is not looked at: to the comma or bracket that ends it.
  private mutating func skipValue() throws(JSONError) -> JSONValue {
    try skipSpace()
    let start = index
    var open = 0
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        _ = try parseString()
        continue
      case UInt8(ascii: "{"), UInt8(ascii: "["): open += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ","):
        if open == 0 {
          if index == start { throw failure(unexpected(wanted: "a value")) }
          return .null
        }
        if byte != UInt8(ascii: ",") { open -= 1 }
      default: break
      }
      index += 1
    }
    throw failure("the text ends inside a value; close it")
  }

  private mutating func parseKey() throws(JSONError) -> String {
    if current == UInt8(ascii: "\"") { return try parseString() }
    let start = index
    if let byte = current, Self.isWordByte(byte) {
      let word = takeWord()
      throw failure("keys stand in double quotes; write \"\(word)\"", at: start)
    }
    throw failure(unexpected(wanted: "a key in double quotes"))
  }

  /// After an element: true at the closing bracket, false after a comma that another element
  /// follows.
  private mutating func endsAfterElement(
    closing: UInt8, opened: Int, what: String
  ) throws(JSONError) -> Bool {
    let end = index
    try skipSpace()
    let bracket = Character(UnicodeScalar(closing))
    switch current {
    case closing:
      index += 1
      return true
    case UInt8(ascii: ","):
      let comma = index
      index += 1
      try skipSpace()
      if current == closing {
        throw failure("a comma before \"\(bracket)\"; remove the comma", at: comma)
      }
      return false
    case nil:
      let place = JSONPosition(ofByte: opened, in: bytes)
      throw failure("the text ends inside the \(what) that begins in \(place); add \"\(bracket)\"")
    case UInt8(ascii: "]"), UInt8(ascii: "}"):
      let place = JSONPosition(ofByte: opened, in: bytes)
      throw failure(
        "\(found) where the \(what) that begins in \(place) is still open; \"\(bracket)\" closes it"
      )
    case UInt8(ascii: "\""), UInt8(ascii: "{"), UInt8(ascii: "["):
      throw failure("a comma is missing here", at: end)
    default: throw failure(unexpected(wanted: "\",\" or \"\(bracket)\""))
    }
  }

  // MARK: Places

  var current: UInt8? { index < bytes.count ? bytes[index] : nil }

  /// Passes white space; a comment is an error.
  mutating func skipSpace() throws(JSONError) {
    while let byte = current {
      switch byte {
      case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
        index += 1
      case UInt8(ascii: "#"), UInt8(ascii: "/"):
        throw failure("JSON has no comments; remove this one")
      default: return
      }
    }
  }

  func failure(_ message: String, at offset: Int? = nil) -> JSONError {
    JSONError(message, offset: offset ?? index, in: bytes, path: JSONPath(path))
  }

  private mutating func record(at offset: Int? = nil) {
    if recordsOffsets { offsets[JSONPath(path)] = offset ?? index }
  }

  private func checkDepth() throws(JSONError) {
    guard path.count < Self.maximumDepth else {
      throw failure("nested more than \(Self.maximumDepth) levels deep")
    }
  }

  private func checkEncoding() throws(JSONError) {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
      throw failure("the text begins with a byte order mark; save it as UTF-8 without one")
    }
    if bytes.starts(with: [0xFE, 0xFF]) || bytes.starts(with: [0xFF, 0xFE]) {
      throw failure("the text is UTF-16; save it as UTF-8")
    }
    guard String(validating: bytes, as: UTF8.self) == nil else { return }
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .valid(let scalar) = parser.parseScalar(from: &iterator) {
      offset += UTF8.width(Unicode.UTF8.decode(scalar))
    }
    throw failure("the byte at offset \(offset) is not UTF-8; save the text as UTF-8", at: offset)
  }
}
