import Foundation
import Reports

/// stderr: the log, and a progress line where it is a terminal. What is quoted from files has no power over it.
enum Log {
  private static let isTerminal = isatty(STDERR_FILENO) != 0

  /// Writes a line.
  static func line(_ text: String) {
    write((isTerminal ? clearing : "") + TerminalText.safe(text) + "\n")
  }

  /// Replaces the progress line of a terminal; writes nothing elsewhere.
  static func progress(_ text: String) {
    if isTerminal { write(clearing + TerminalText.line(text).prefix(118)) }
  }

  /// Removes the progress line.
  static func endProgress() {
    if isTerminal { write(clearing) }
  }

  /// Ends the progress line without a trace.
  private static let clearing = "\r\u{1B}[K"

  private static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
