internal import CLookup

// The formats whose four-bit quants name one of sixteen levels that lie closer together around zero.

/// 18 bytes: d, 16 bytes of nibbles q. number = d · level(q); the lower nibbles are numbers 0…15.
enum IQ4_NL: BlockDecoder {
  static var format: BlockFormat { .iq4_nl }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let (lower, upper) = UnevenLevels(scale: block.scale(at: 0)).decode(block + 2)
    emit(0, lower)
    emit(16, upper)
  }
}

/// 136 bytes: d, 16 upper bit pairs and 4 bytes of lower nibbles of the scales of 8 groups, 128 bytes
/// of nibbles q.
///
/// number = (d · (scale − 32)) · level(q). Scale g has nibble g and bit pair g, each counted from the
/// lowest bits of the first byte. Each 16 bytes of quants are one group, as in IQ4_NL.
enum IQ4_XS: BlockDecoder {
  static var format: BlockFormat { .iq4_xs }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    var high = UInt16(littleEndian: block.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
    for pair in 0..<4 {
      let low = block.load(fromByteOffset: 4 + pair, as: UInt8.self)
      let quants = block + (8 + 32 * pair)
      let first = UnevenLevels(scale: scale(d, low & 15, high)).decode(quants)
      let second = UnevenLevels(scale: scale(d, low >> 4, high &>> 2)).decode(quants + 16)
      emit(64 * pair, first.lower)
      emit(64 * pair + 16, first.upper)
      emit(64 * pair + 32, second.lower)
      emit(64 * pair + 48, second.upper)
      high &>>= 4
    }
  }

  /// - Parameters:
  ///   - low: the lower four bits of the scale.
  ///   - high: the upper two, lowest in it.
  @inline(__always)
  private static func scale(_ d: Float, _ low: UInt8, _ high: UInt16) -> Float {
    d * Float((Int32(low) | (Int32(high & 3) &<< 4)) &- 32)
  }
}

/// The sixteen levels, scaled: a table that quants look their numbers up in.
private struct UnevenLevels {
  private let table: SIMD16<Float>

  @inline(__always)
  init(scale: Float) {
    let levels = SIMD16<Float>(
      -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
    table = scale * levels
  }

  /// The numbers of the lower and of the upper nibbles of sixteen bytes.
  @inline(__always)
  func decode(_ source: UnsafeRawPointer) -> (lower: SIMD16<Float>, upper: SIMD16<Float>) {
    let words = lookup_bytes(source)
    return (lookup_entries(table, words), lookup_entries(table, lookup_upper_nibbles(words)))
  }
}
