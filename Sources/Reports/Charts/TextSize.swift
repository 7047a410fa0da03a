/// How much room a text takes in a sans-serif font, roughly and rather too much: nothing is known of the reader's fonts.
enum TextSize {
  /// In the unit of the font's size.
  static func width(_ text: String, size: Double) -> Double {
    text.unicodeScalars.reduce(0) { $0 + share(of: $1) } * size
  }

  /// Of the font's size, after those of wide fonts.
  private static func share(of scalar: Unicode.Scalar) -> Double {
    switch scalar {
    case "i", "j", "l", "'", "|": 0.3
    case " ", ".", ",", ":", ";", "/", "\\", "!", "f", "t", "r", "I", "(", ")", "[", "]", "-": 0.41
    case "m", "w", "M", "W", "%", "@", "+", "=", "<", ">", "~", "−", "÷", "×", "±", "≤", "≥": 0.92
    case "A"..."Z", "&": 0.75
    case "\u{20}"..."\u{24F}": 0.64
    default:
      switch scalar.properties.generalCategory {
      case .nonspacingMark, .enclosingMark, .format: 0
      default: scalar.value < 0x1100 ? 0.75 : 1.1
      }
    }
  }

  /// Lines of at most that width, broken at blanks; a longer word is cut.
  static func lines(_ text: String, size: Double, within width: Double) -> [String] {
    var lines: [String] = []
    for word in text.onOneLine.split(separator: " ") {
      let word = shortened(String(word), size: size, within: width)
      if let last = lines.last, Self.width(last + " " + word, size: size) <= width {
        lines[lines.count - 1] = last + " " + word
      } else {
        lines.append(word)
      }
    }
    return lines
  }

  /// As much of a text as has room, with an ellipsis where that is not all.
  static func shortened(_ text: String, size: Double, within width: Double) -> String {
    if Self.width(text, size: size) <= width { return text }
    var kept = ""
    var used = Self.width("…", size: size)
    for character in text {
      used += Self.width(String(character), size: size)
      if used > width { break }
      kept.append(character)
    }
    return kept + "…"
  }
}
