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

  /// Lines of at most that width, broken at blanks; a longer word goes on in the next line, so that nothing is lost.
  static func lines(_ text: String, size: Double, within width: Double) -> [String] {
    var lines: [String] = []
    for word in text.onOneLine.split(separator: " ") {
      let pieces = pieces(of: String(word), size: size, within: width)
      if let last = lines.last, Self.width(last + " " + pieces[0], size: size) <= width {
        lines[lines.count - 1] = last + " " + pieces[0]
      } else {
        lines.append(pieces[0])
      }
      lines += pieces.dropFirst()
    }
    return lines
  }

  /// At least one; a character that is wider than all there is stands alone.
  private static func pieces(of word: String, size: Double, within width: Double) -> [String] {
    var pieces = [""]
    var used = 0.0
    for character in word {
      let own = Self.width(String(character), size: size)
      if used > 0, used + own > width {
        pieces.append("")
        used = 0
      }
      pieces[pieces.count - 1].append(character)
      used += own
    }
    return pieces
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

  /// The same with the ellipsis inside: names of one family begin alike, and are told apart by their ends.
  static func abridged(_ text: String, size: Double, within width: Double) -> String {
    if Self.width(text, size: size) <= width { return text }
    let room = (width - Self.width("…", size: size)) / 2
    func fitting(_ characters: some Sequence<Character>) -> [Character] {
      var used = 0.0
      return characters.prefix { character in
        used += Self.width(String(character), size: size)
        return used <= room
      }
    }
    return String(fitting(text)) + "…" + String(fitting(text.reversed()).reversed())
  }
}
