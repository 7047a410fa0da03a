/// The 256 printable scalars in which byte-level vocabularies spell bytes (GPT-2's
/// `bytes_to_unicode`).
///
/// A byte that is a printable Latin-1 character maps to itself: 0x21...0x7E, 0xA1...0xAC,
/// 0xAE...0xFF. The others, in ascending order, are U+0100 and up: a space is `Ġ`, a line feed `Ċ`.
enum ByteAlphabet {
  /// The scalar of each byte.
  static let scalars: [Unicode.Scalar] = {
    var scalars: [Unicode.Scalar] = []
    var next: UInt16 = 0x100
    for byte in UInt8.min...UInt8.max {
      if standsForItself(byte) {
        scalars.append(Unicode.Scalar(byte))
      } else {
        // U+0100 ... U+0143: never a surrogate.
        scalars.append(Unicode.Scalar(next) ?? "?")
        next += 1
      }
    }
    return scalars
  }()

  private static let bytes: [Unicode.Scalar: UInt8] = Dictionary(
    uniqueKeysWithValues: zip(scalars, UInt8.min...UInt8.max))

  /// How a token with these bytes is spelled, in UTF-8.
  static func spelling(of bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var result: ArraySlice<UInt8> = []
    for byte in bytes { result += spellings[Int(byte)] }
    return result
  }

  private static let spellings = scalars.map { Array(String($0).utf8) }

  private static func standsForItself(_ byte: UInt8) -> Bool {
    (0x21...0x7E).contains(byte) || byte >= 0xA1 && byte != 0xAD
  }

  /// The bytes that a token spells; nil if a scalar of it is not of this alphabet.
  static func bytes(spelledBy token: String) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(token.utf8.count)
    for scalar in token.unicodeScalars {
      guard let byte = bytes[scalar] else { return nil }
      result.append(byte)
    }
    return result
  }
}
