/// The class of a scalar in a pre-tokenizer's pattern, by the Unicode version of the Swift runtime
/// (17 in Swift 6.3).
enum ScalarClass {
  /// `\p{L}`
  case letter
  /// `\p{N}`: ½ and Ⅷ are numbers.
  case number
  /// `\s`: Unicode's White_Space.
  case space
  /// `[^\s\p{L}\p{N}]`
  case other

  init(_ scalar: Unicode.Scalar) {
    self = scalar.value < 0x80 ? Self.ascii[Int(scalar.value)] : Self.lookUp(scalar)
  }

  private static let ascii: [ScalarClass] = (0..<0x80).map { lookUp(Unicode.Scalar(UInt8($0))) }

  private static func lookUp(_ scalar: Unicode.Scalar) -> ScalarClass {
    switch scalar.value {
    case 0x09...0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F,
      0x3000:
      return .space
    default: break
    }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return .letter
    case .decimalNumber, .letterNumber, .otherNumber: return .number
    default: return .other
    }
  }
}

/// The scalars of a UTF-8 text. The bytes must come from a `String`, so that they are well formed.
struct ScalarText {
  let bytes: [UInt8]

  /// The class of the scalar at `offset`, and its length in bytes.
  func scalarClass(at offset: Int) -> (scalarClass: ScalarClass, length: Int) {
    let lead = bytes[offset]
    if lead < 0x80 { return (ScalarClass(Unicode.Scalar(lead)), 1) }
    let length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
    var value = UInt32(lead) & (length == 2 ? 0x1F : length == 3 ? 0x0F : 0x07)
    for next in offset + 1..<offset + length { value = value << 6 | UInt32(bytes[next] & 0x3F) }
    // Well-formed UTF-8 holds scalar values only.
    return (Unicode.Scalar(value).map(ScalarClass.init) ?? .other, length)
  }
}
