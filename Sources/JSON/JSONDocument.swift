/// A JSON value together with where each part of it stands in its text, for messages about its contents.
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
}

extension JSONValue {
  /// Strict JSON (RFC 8259), at most 128 levels deep; a key that stands twice is refused, as is an integer beyond
  /// 64 bits. The error names the place and the usual mistakes: comments, trailing commas, single quotes, NaN …
  public init(parsing text: String) throws(JSONError) {
    try self.init(parsing: Array(text.utf8))
  }

  /// Bytes of a file: UTF-8 without a byte order mark.
  public init(parsing bytes: [UInt8]) throws(JSONError) {
    var parser = JSONParser(bytes, recordsOffsets: false)
    self = try parser.parseDocument()
  }
}
