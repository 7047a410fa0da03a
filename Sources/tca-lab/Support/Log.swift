import Foundation

/// stderr: the log, and a progress line where it is a terminal.
enum Log {
  static let isTerminal = isatty(STDERR_FILENO) != 0

  /// Writes a line.
  static func line(_ text: String) {
    try? FileHandle.standardError.write(
      contentsOf: Data(((isTerminal ? "\r\u{1B}[K" : "") + text + "\n").utf8))
  }

  /// Replaces the progress line of a terminal; writes nothing elsewhere.
  static func progress(_ text: String) {
    guard isTerminal else { return }
    try? FileHandle.standardError.write(contentsOf: Data(("\r\u{1B}[K" + text.prefix(118)).utf8))
  }

  /// Removes the progress line.
  static func endProgress() {
    guard isTerminal else { return }
    try? FileHandle.standardError.write(contentsOf: Data("\r\u{1B}[K".utf8))
  }
}
