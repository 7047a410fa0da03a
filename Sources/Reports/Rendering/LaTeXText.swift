import JSON

/// Text inside of LaTeX, for lualatex without TeX's own ligatures: it means itself.
enum LaTeXText {
  /// Prints a character where the font has it, else its number; says so in the log.
  ///
  /// Robust, since captions and headings are written to other files before they are printed.
  static let preamble = #"""
    \DeclareRobustCommand{\uni}[1]{\iffontchar\font"#1 \char"#1\relax\else\texttt{U+#1}\wlog{tca-lab: the font lacks U+#1}\fi}
    """#

  /// On one line. What cannot be seen (control characters, direction marks) is printed as `U+200F`.
  static func line(_ text: String) -> String {
    text.onOneLine.replacingScalars { scalar in
      if let symbol = symbols[scalar] { return symbol }
      return switch scalar {
      case "\\": #"\textbackslash{}"#
      case "{", "}", "$", "&", "#", "_", "%": "\\\(scalar)"
      case "~": #"\textasciitilde{}"#
      case "^": #"\textasciicircum{}"#
      case "\t": " "
      case "\u{A0}": "~"
      case " "..."~": nil
      case "–", "—", "†", "‡", "…", "−", "¡"..."¬", "®"..."ÿ": nil
      default:
        isVisible(scalar) ? "\\uni{\(number(scalar))}" : "\\texttt{U+\(number(scalar))}"
      }
    }
  }

  /// What reports say and the font lacks.
  private static let symbols: [Unicode.Scalar: String] = [
    "↓": #"$\downarrow$"#, "↑": #"$\uparrow$"#, "≥": #"$\geq$"#, "≤": #"$\leq$"#,
    "γ": #"$\gamma$"#, "τ": #"$\tau$"#, "α": #"$\alpha$"#, "‖": #"$\|$"#,
    "ᵃ": #"\textsuperscript{a}"#,
  ]

  /// The same at the beginning of a row or an item, where a bracket or a star would be an argument.
  static func start(_ text: String) -> String {
    let line = line(text)
    return line.hasPrefix("[") || line.hasPrefix("*") ? "{}" + line : line
  }

  /// A name for references: `tab:kv-budget`; "x" where no letter or digit of ASCII is left.
  static func label(_ text: String) -> String {
    let words = text.lowercased().unicodeScalars.split { scalar in
      !("a"..."z" ~= scalar || "0"..."9" ~= scalar)
    }.map { String($0) }
    return words.isEmpty ? "x" : words.joined(separator: "-")
  }

  /// TeX reads capitals alone as hexadecimal digits.
  private static func number(_ scalar: Unicode.Scalar) -> String { scalar.hexadecimal.uppercased() }

  private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator, .spaceSeparator:
      false
    default: !scalar.properties.isDefaultIgnorableCodePoint
    }
  }
}
