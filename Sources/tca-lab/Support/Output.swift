import Foundation
import JSON

/// stdout: what a command was asked for.
enum Output {
  /// Writes text and a line end, if it has none. Throws a failure where stdout takes no more (a full disk).
  static func text(_ text: String) throws {
    try write(text.hasSuffix("\n") ? text : text + "\n")
  }

  /// Writes text as it is.
  static func write(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw Failure(.modelOrFile, "stdout cannot be written: \(error.localizedDescription)")
    }
  }

  /// One JSON value on one line, keys sorted.
  static func json(_ value: JSONValue) throws { try text(value.canonicalText) }

  /// JSON for people and programs alike, over several lines.
  static func prettyJSON(_ value: JSONValue) throws { try text(value.prettyText) }
}
