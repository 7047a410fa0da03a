/// A JSON value together with where each part of it stands in its text, for messages about its
/// contents.
public struct JSONDocument: Sendable {
  public let value: JSONValue
  private let bytes: [UInt8]
  private let offsets: [JSONPath: Int]

  public init(parsing text: String) throws(JSONError) {
    try self.init(parsing: Array(text.utf8))
  }

  /// Bytes of a file: UTF-8 without a byte order mark.
  public init(parsing bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes, recordsOffsets: true)
    value = try parser.parseDocument()
    offsets = parser.offsets
    self.bytes = bytes
  }

  /// Where a list's element, or an object's key, begins; nil where the document has no such place.
  public func position(of path: JSONPath) -> JSONPosition? {
    offsets[path].map { JSONPosition(ofByte: $0, in: bytes) }
  }

  /// How the text writes a number that is a ``JSONValue/number(_:)``, of which the value may be the nearest alone; nil
  /// where something else stands.
  public func numberText(at path: JSONPath) -> String? {
    guard let offset = offsets[path] else { return nil }
    var parser = JSONParser(bytes, recordsOffsets: false)
    parser.index = offset
    do {
      if case .key? = path.components.last {
        _ = try parser.parseString()
        try parser.skipSpace()
        // The colon.
        parser.index += 1
        try parser.skipSpace()
      }
      let start = parser.index
      guard case .number = try parser.parseValue() else { return nil }
      return String(decoding: bytes[start..<parser.index], as: UTF8.self)
    } catch {
      return nil
    }
  }
}

extension JSONValue {
  /// Strict JSON (RFC 8259), at most 128 levels deep; a key that occurs twice is refused. An
  /// integer beyond 64 bits is a ``JSONValue/number(_:)``, the nearest. The error names the place
  /// and the usual mistakes: comments, trailing commas, single quotes, NaN …
  public init(parsing text: String) throws(JSONError) {
    try self.init(parsing: Array(text.utf8))
  }

  /// Bytes of a file: UTF-8 without a byte order mark.
  ///
  /// - Parameter keys: the members of the outermost object that matter; nil for all. The others are
  ///   null in the result whatever they hold: numbers of any size, NaN, keys that stand twice. Only
  ///   strings and brackets must be closed.
  public init(parsing bytes: [UInt8], reading keys: Set<String>? = nil) throws(JSONError) {
    var parser = JSONParser(bytes, recordsOffsets: false, readKeys: keys)
    self = try parser.parseDocument()
  }
}
