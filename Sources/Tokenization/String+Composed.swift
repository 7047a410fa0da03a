@_spi(_Unicode) import Swift

extension String {
  /// The text in Unicode's normalization form C.
  ///
  /// By the standard library, which has it for comparing strings: Foundation's
  /// `precomposedStringWithCanonicalMapping` (Swift 6.3, Linux) leaves a final consonant after a
  /// Hangul syllable alone and composes U+10041 with a mark as if it were "A".
  var composed: String {
    var parts = String.UnicodeScalarView()
    for scalar in unicodeScalars {
      // Vowel signs of two parts, which the standard library does not order among other marks.
      switch scalar {
      case "\u{F73}": parts.append(contentsOf: ["\u{F71}", "\u{F72}"])
      case "\u{F75}": parts.append(contentsOf: ["\u{F71}", "\u{F74}"])
      case "\u{F81}": parts.append(contentsOf: ["\u{F71}", "\u{F80}"])
      default: parts.append(scalar)
      }
    }
    var result = String.UnicodeScalarView()
    result.append(contentsOf: String(parts)._nfc)
    return String(result)
  }
}
