import Foundation
import Reports

/// stderr: the log, and a progress line where it is a terminal. What is quoted from files has no
/// power over it.
enum Log {
  static let terminal = Terminal(STDERR_FILENO)
  static var isTerminal: Bool { terminal.isTerminal }
  /// Removes the progress line of a terminal; empty elsewhere.
  static let lineStart = isTerminal ? "\r\u{1B}[K" : ""

  /// Writes a line.
  static func line(_ text: String) { write(lineStart + TerminalText.safe(text) + "\n") }

  /// Writes what went wrong, red where there are colours.
  static func error(_ text: String) {
    write(lineStart + terminal.styled(TerminalText.safe(text), .red) + "\n")
  }

  /// Replaces the progress line of a terminal; writes nothing elsewhere.
  static func progress(_ text: String) {
    if isTerminal { write(lineStart + terminal.fitted(TerminalText.line(text))) }
  }

  /// Removes the progress line.
  static func endProgress() { write(lineStart) }

  /// Whether there is somebody to ask.
  static var canAsk: Bool { terminal.isDevice && isatty(STDIN_FILENO) != 0 }

  /// Puts a question and reads a line; true for "y" or "yes", in any case.
  static func ask(_ question: String) -> Bool {
    write(lineStart + TerminalText.safe(question))
    return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
  }

  private static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }
}
