/// A place in a text: both numbers count from 1, columns in characters (Unicode scalars).
public struct JSONPosition: Sendable, Hashable, Comparable, CustomStringConvertible {
  public var line: Int
  public var column: Int

  public init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  /// Of the byte at `offset`, or of the end of the text.
  init(ofByte offset: Int, in bytes: [UInt8]) {
    let before = bytes.prefix(offset)
    let lineStart = before.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    line = 1 + before.count { $0 == UInt8(ascii: "\n") }
    // Continuation bytes of UTF-8 are 10xxxxxx.
    column = 1 + before[lineStart...].count { $0 & 0xC0 != 0x80 }
  }

  public static func < (left: Self, right: Self) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }

  public var description: String { "line \(line), column \(column)" }
}

/// Why a text is not JSON, and where.
public struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What is wrong and what to do.
  public var message: String
  public var position: JSONPosition
  /// The same in bytes from the beginning of the text.
  public var offset: Int
  /// The value that was being read.
  public var path: JSONPath

  init(_ message: String, offset: Int, in bytes: [UInt8], path: JSONPath) {
    self.message = message
    position = JSONPosition(ofByte: offset, in: bytes)
    self.offset = offset
    self.path = path
  }

  public var description: String { "\(position) (\(path)): \(message)" }
}
