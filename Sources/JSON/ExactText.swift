/// A text that equals another only where both are the same UTF-8 bytes, and is sorted by them.
///
/// A `String` equals every other that is canonically equivalent: "é" as one scalar and as two are
/// the same key of a dictionary. For keys and names that come from outside, which must stay apart,
/// use this.
public struct ExactText: Sendable, Hashable, Comparable {
  public var text: String

  public init(_ text: String) { self.text = text }

  public static func == (left: Self, right: Self) -> Bool {
    left.text.utf8.elementsEqual(right.text.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
    hasher.combine(0xFF as UInt8)
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
  }
}

extension Unicode.Scalar {
  /// At least four digits: `001b`.
  public var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

extension String {
  /// The text with some of its scalars replaced; nil leaves one as it is.
  ///
  /// For escapes, which must not go by `Character`: a quotation mark with a combining mark behind
  /// it is a `Character` of its own, and would pass.
  public func replacingScalars(_ replacement: (Unicode.Scalar) -> String?) -> String {
    var text = ""
    for scalar in unicodeScalars {
      if let other = replacement(scalar) {
        text.unicodeScalars.append(contentsOf: other.unicodeScalars)
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
