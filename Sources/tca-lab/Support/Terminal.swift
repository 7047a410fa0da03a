import Foundation

/// What a stream of the program leads to: a terminal, with colours or without, or a file or pipe.
struct Terminal {
  /// Whether it is a terminal of any kind, over which what is written has power.
  let isDevice: Bool
  /// Whether it is one that understands control sequences: no file, no pipe, no `TERM=dumb`.
  let isTerminal: Bool
  /// Whether it may be coloured: never against `NO_COLOR` (no-color.org), whatever its value, unless it is empty.
  let hasColours: Bool
  private let descriptor: Int32

  init(
    _ descriptor: Int32, isTerminal: Bool? = nil,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) {
    self.descriptor = descriptor
    isDevice = isTerminal ?? (isatty(descriptor) != 0)
    self.isTerminal = isDevice && environment["TERM"] != "dumb"
    hasColours = self.isTerminal && (environment["NO_COLOR"] ?? "").isEmpty
  }

  /// Its width now, which a person may change at any time; nil where it says none, as files and pipes do.
  private var columns: Int? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
    return Int(size.ws_col)
  }

  /// What text made for so many columns has: fewer on a terminal that has fewer, but 40, below which no table holds.
  func width(upTo usual: Int) -> Int { min(usual, max(40, columns ?? usual)) }

  enum Style: Int {
    case bold = 1
    case red = 31
  }

  /// The text in a style, where there are colours. It has to be safe for a terminal already.
  func styled(_ text: String, _ style: Style) -> String {
    hasColours ? "\u{1B}[\(style.rawValue)m\(text)\u{1B}[0m" : text
  }

  /// A text cut to less than the terminal's width, so that it never wraps: what is overwritten later has to
  /// stand on one line.
  func fitted(_ text: String) -> String {
    let room = max(1, (columns ?? 80) - 1)
    return text.count <= room ? text : text.prefix(room - 1) + "…"
  }
}
