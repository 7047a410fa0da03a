import Kernels

/// The formats once more, as slowly and plainly as possible: one number at a time, in Double, where every step is
/// exact, so that the one rounding is the last conversion.
///
/// Written after the definitions in ggml (`ggml-quants.c`), not after the code that it checks.
enum BlockDefinition {
  static func number(_ index: Int, of bytes: [UInt8], in format: BlockFormat) -> Float {
    let block = index / format.elementsPerBlock * format.bytesPerBlock
    let i = index % format.elementsPerBlock
    let byte = { (offset: Int) in Int(bytes[block + offset]) }
    let signed = { (offset: Int) in Int(Int8(bitPattern: bytes[block + offset])) }
    let half = { (offset: Int) in halfValue(byte(offset) | byte(offset + 1) << 8) }
    // Of 32 nibbles in 16 bytes, number i.
    let nibble = { (offset: Int) in i < 16 ? byte(offset + i) & 15 : byte(offset + i - 16) >> 4 }
    let fifthBit = { (offset: Int) in (byte(offset + i / 8) >> (i % 8) & 1) << 4 }

    switch format {
    case .f32:
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(byte($1)) << UInt32(8 * $1) }
      return Float(bitPattern: bits)
    case .f16: return Float(half(0))
    case .bf16: return Float(bitPattern: UInt32(byte(0) | byte(1) << 8) << 16)
    case .q8_0: return Float(half(0) * Double(signed(2 + i)))
    case .q4_0: return Float(half(0) * Double(nibble(2) - 8))
    case .q4_1: return Float(half(0) * Double(nibble(4)) + half(2))
    case .q5_0: return Float(half(0) * Double((nibble(6) | fifthBit(2)) - 16))
    case .q5_1: return Float(half(0) * Double(nibble(8) | fifthBit(4)) + half(2))
    case .q2_K:
      let (side, pair, l) = (i / 128, i % 128 / 32, i % 32)
      let scales = byte(8 * side + 2 * pair + l / 16)
      let quant = byte(16 + 32 * side + l) >> (2 * pair) & 3
      return Float(half(80) * Double(scales & 15) * Double(quant) - half(82) * Double(scales >> 4))
    case .q3_K:
      let (side, pair, l) = (i / 128, i % 128 / 32, i % 32)
      let group = i / 16
      let low = byte(96 + group % 8) >> (group < 8 ? 0 : 4) & 15
      let scale = (low | (byte(104 + group % 4) >> (2 * (group / 4)) & 3) << 4) - 32
      let quant = byte(32 + 32 * side + l) >> (2 * pair) & 3
      let isUpper = byte(l) >> (4 * side + pair) & 1 == 1
      return Float(half(108) * Double(scale) * Double(isUpper ? quant : quant - 4))
    case .iq4_nl: return Float(half(0) * Double(unevenLevels[nibble(2)]))
    case .iq4_xs:
      let (group, l) = (i / 32, i % 32)
      let low = byte(4 + group / 2) >> (4 * (group % 2)) & 15
      let scale = (low | ((byte(2) | byte(3) << 8) >> (2 * group) & 3) << 4) - 32
      let pair = byte(8 + 16 * group + l % 16)
      return Float(half(0) * Double(scale) * Double(unevenLevels[l < 16 ? pair & 15 : pair >> 4]))
    case .q4_K, .q5_K:
      let group = i / 32
      let (scale, minimum) = sixBits(group) { byte(4 + $0) }
      let quantStart = format == .q4_K ? 16 : 48
      let pair = byte(quantStart + group / 2 * 32 + i % 32)
      var quant = group % 2 == 0 ? pair & 15 : pair >> 4
      if format == .q5_K { quant += (byte(16 + i % 32) >> group & 1) * 16 }
      return Float(
        half(0) * Double(scale) * Double(quant) - half(2) * Double(minimum))
    case .q6_K:
      let (side, quarter, l) = (i / 128, i % 128 / 32, i % 32)
      let low = byte(64 * side + (quarter % 2) * 32 + l)
      let nibble = quarter < 2 ? low & 15 : low >> 4
      let upper = byte(128 + 32 * side + l) >> (2 * quarter) & 3
      let scale = signed(192 + 8 * side + 2 * quarter + l / 16)
      return Float(half(208) * Double(scale) * Double((nibble | upper << 4) - 32))
    }
  }

  /// ggml's `kvalues_iq4nl`.
  private static let unevenLevels = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
  ]

  /// ggml's `get_scale_min_k4`.
  private static func sixBits(_ j: Int, _ q: (Int) -> Int) -> (scale: Int, minimum: Int) {
    j < 4
      ? (q(j) & 63, q(j + 4) & 63)
      : (q(j + 4) & 15 | (q(j - 4) >> 6) << 4, q(j + 4) >> 4 | (q(j) >> 6) << 4)
  }

  /// IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction.
  private static func halfValue(_ bits: Int) -> Double {
    let sign = bits >> 15 == 0 ? 1.0 : -1.0
    let (exponent, fraction) = (bits >> 10 & 31, Double(bits & 1023))
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default:
      return sign * (1024 + fraction) * Double(sign: .plus, exponent: exponent - 25, significand: 1)
    }
  }
}
