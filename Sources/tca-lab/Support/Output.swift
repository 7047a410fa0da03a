import Foundation
import JSON
import Records
import Reports

/// stdout: what a command was asked for.
enum Output {
  static let terminal = Terminal(STDOUT_FILENO)

  /// Writes text and a line end, if it has none. Throws a failure where stdout takes no more (a
  /// full disk).
  static func text(_ text: String) throws {
    try write(text.hasSuffix("\n") ? text : text + "\n")
  }

  /// Writes what a renderer has made safe for a terminal, control sequences of its own styles included.
  static func rendered(_ text: String) throws { try print(text) }

  /// Writes text: into a file or a pipe as it is, to a terminal without power over it.
  static func write(_ text: String) throws {
    try print(terminal.isDevice ? TerminalText.safe(text) : text)
  }

  private static func print(_ text: String) throws {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    } catch {
      throw Failure(.modelOrFile, "stdout cannot be written: \(FileProblem.text(of: error))")
    }
  }

  /// One JSON value on one line, keys sorted.
  static func json(_ value: JSONValue) throws { try text(value.canonicalText) }

  /// JSON for people and programs alike, over several lines.
  static func prettyJSON(_ value: JSONValue) throws { try text(value.prettyText) }
}
