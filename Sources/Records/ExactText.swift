/// A text that equals another only where both are the same UTF-8 bytes, and is sorted by them.
///
/// A `String` equals every other that is canonically equivalent: "é" as one scalar and as two are the same key of a
/// dictionary. For keys and names that come from outside, which must stay apart, use this.
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
