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
