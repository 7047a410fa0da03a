import Foundation
import Records

/// stdout: what a command was asked for.
enum Output {
  static func text(_ text: String) {
    FileHandle.standardOutput.write(Data((text.hasSuffix("\n") ? text : text + "\n").utf8))
  }

  /// One JSON value on one line, keys sorted.
  static func json(_ value: JSONValue) { text(value.canonicalText) }

  /// JSON for people and programs alike, over several lines.
  static func prettyJSON(_ value: JSONValue) { text(value.prettyText) }
}
