// The formats with 256 numbers a block, in groups of 32 (Q4_K, Q5_K) or 16 (Q2_K, Q3_K, Q6_K) with
// a small integer scale each.

/// 84 bytes: 16 bytes with a scale (lower nibble) and a minimum (upper) each, 64 bytes of bit pairs
/// q, d, m.
///
/// number = (d · scale) · q − m · minimum, a scale and a minimum for each 16 numbers. Each half of the
/// block (32 bytes of pairs) holds 128 numbers; the pairs of byte i serve number i of each 32 of
/// these, from the lowest bits up.
enum Q2_K: BlockDecoder {
  static var format: BlockFormat { .q2_K }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let packed = block.sixteenBytes(at: 0)
    let scales = block.scale(at: 80) * floats(lowNibbles(packed))
    // Negated as a scalar: see `GroupScale`.
    let negatedMinima = -block.scale(at: 82) * floats(highNibbles(packed))
    let numbers = { (quants: SIMD16<UInt8>, group: Int) in
      SIMD16(repeating: negatedMinima[group])
        .addingProduct(SIMD16(repeating: scales[group]), floats(quants & 0x03))
    }
    for half in 0..<2 {
      for sixteen in 0..<2 {
        let pairs = block.sixteenBytes(at: 16 + 32 * half + 16 * sixteen)
        let group = 8 * half + sixteen
        // Written out, so that each index is known to be even or odd when this is compiled.
        emit(16 * group, numbers(pairs, group))
        emit(16 * group + 32, numbers(pairs &>> 2, group + 2))
        emit(16 * group + 64, numbers(pairs &>> 4, group + 4))
        emit(16 * group + 96, numbers(pairs &>> 6, group + 6))
      }
    }
  }
}

/// 110 bytes: 32 bytes of third bits, 64 bytes of bit pairs, 12 bytes of 6-bit scales of 16 groups, d.
///
/// number = (d · (scale − 32)) · (q − 4), a scale for each 16 numbers. The pairs lie as in Q2_K; bit
/// g of byte i of the third bits belongs to number i of the g-th 32 numbers. Scale g has its lower
/// four bits in the lower (g < 8) or upper nibble of byte g mod 8, its upper two in byte 8 + g mod 4,
/// from the lowest bits up.
enum Q3_K: BlockDecoder {
  static var format: BlockFormat { .q3_K }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let scales = block.scale(at: 108) * signedFloats(sixBits(block + 96) &- 32)
    let numbers = { (pairs: SIMD16<UInt8>, third: SIMD16<UInt8>, group: Int) in
      SIMD16(repeating: scales[group])
        * signedFloats(((pairs & 0x03) | ((third & 0x01) &<< 2)) &- 4)
    }
    for half in 0..<2 {
      for sixteen in 0..<2 {
        let pairs = block.sixteenBytes(at: 32 + 32 * half + 16 * sixteen)
        let third = block.sixteenBytes(at: 16 * sixteen) &>> UInt8(truncatingIfNeeded: 4 * half)
        let group = 8 * half + sixteen
        emit(16 * group, numbers(pairs, third, group))
        emit(16 * group + 32, numbers(pairs &>> 2, third &>> 1, group + 2))
        emit(16 * group + 64, numbers(pairs &>> 4, third &>> 2, group + 4))
        emit(16 * group + 96, numbers(pairs &>> 6, third &>> 3, group + 6))
      }
    }
  }

  /// The scales 0…63 of the sixteen groups.
  @inline(__always)
  private static func sixBits(_ packed: UnsafeRawPointer) -> SIMD16<UInt8> {
    let low = UInt64(littleEndian: packed.loadUnaligned(as: UInt64.self))
    let high = UInt64(
      UInt32(littleEndian: packed.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
    // Bytes 0…3 hold the pairs of groups 0…3, bytes 4…7, moved down by one pair, those of 4…7.
    let pairs = high | (high &>> 2) &<< 32
    let halves = SIMD2(
      low & 0x0f0f_0f0f_0f0f_0f0f | (pairs & 0x0303_0303_0303_0303) &<< 4,
      (low &>> 4) & 0x0f0f_0f0f_0f0f_0f0f | ((pairs &>> 4) & 0x0303_0303_0303_0303) &<< 4)
    return unsafeBitCast(halves, to: SIMD16<UInt8>.self)
  }
}

/// 144 bytes: d, m, 12 bytes of 6-bit scales and minima of 8 groups, 128 bytes of nibbles q.
///
/// number = (d · scale) · q − m · minimum. Each 32 bytes hold 64 numbers: the lower nibbles are one
/// group, the upper ones the next.
enum Q4_K: BlockDecoder {
  static var format: BlockFormat { .q4_K }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    let m = block.scale(at: 2)
    for pair in 0..<4 {
      let first = GroupScale(block + 4, group: 2 * pair, d, m)
      let second = GroupScale(block + 4, group: 2 * pair + 1, d, m)
      for half in 0..<2 {
        let quants = block.sixteenBytes(at: 16 + 32 * pair + 16 * half)
        emit(64 * pair + 16 * half, first.applied(to: floats(lowNibbles(quants))))
        emit(64 * pair + 32 + 16 * half, second.applied(to: floats(highNibbles(quants))))
      }
    }
  }
}

/// 176 bytes: d, m, 12 bytes of scales and minima as in Q4_K, 32 bytes of fifth bits, 128 bytes of
/// nibbles.
///
/// number = (d · scale) · q − m · minimum. Bit g of byte i of the fifth bits belongs to number i of
/// group g.
enum Q5_K: BlockDecoder {
  static var format: BlockFormat { .q5_K }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    let m = block.scale(at: 2)
    for pair in 0..<4 {
      let first = GroupScale(block + 4, group: 2 * pair, d, m)
      let second = GroupScale(block + 4, group: 2 * pair + 1, d, m)
      for half in 0..<2 {
        let quants = block.sixteenBytes(at: 48 + 32 * pair + 16 * half)
        let fifth = block.sixteenBytes(at: 16 + 16 * half) &>> UInt8(truncatingIfNeeded: 2 * pair)
        let low = lowNibbles(quants) | ((fifth & 1) &<< 4)
        let high = highNibbles(quants) | ((fifth & 2) &<< 3)
        emit(64 * pair + 16 * half, first.applied(to: floats(low)))
        emit(64 * pair + 32 + 16 * half, second.applied(to: floats(high)))
      }
    }
  }
}

/// 210 bytes: 128 bytes of lower nibbles, 64 bytes of upper bit pairs, 16 signed scales, d.
///
/// number = (d · scale) · (q − 32), a scale for each 16 numbers. Each half of the block (64 bytes
/// of nibbles, 32 of pairs) holds 128 numbers: 32 from the lower nibbles of its first 32 bytes, 32
/// from those of its last, then the upper nibbles likewise; the pairs of byte i serve number i of
/// these four, from the lowest bits up.
enum Q6_K: BlockDecoder {
  static var format: BlockFormat { .q6_K }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 208)
    for half in 0..<2 {
      for sixteen in 0..<2 {
        let first = block.sixteenBytes(at: 64 * half + 16 * sixteen)
        let second = block.sixteenBytes(at: 64 * half + 32 + 16 * sixteen)
        let pairs = block.sixteenBytes(at: 128 + 32 * half + 16 * sixteen)
        let quants = (
          lowNibbles(first) | ((pairs & 0x03) &<< 4), lowNibbles(second) | ((pairs & 0x0c) &<< 2),
          highNibbles(first) | (pairs & 0x30), highNibbles(second) | ((pairs & 0xc0) &>> 2)
        )
        let scales = block + (192 + 8 * half + sixteen)
        let index = 128 * half + 16 * sixteen
        emit(index, scale(d, scales, 0) * (floats(quants.0) - 32))
        emit(index + 32, scale(d, scales, 2) * (floats(quants.1) - 32))
        emit(index + 64, scale(d, scales, 4) * (floats(quants.2) - 32))
        emit(index + 96, scale(d, scales, 6) * (floats(quants.3) - 32))
      }
    }
  }

  @inline(__always)
  private static func scale(_ d: Float, _ scales: UnsafeRawPointer, _ index: Int) -> Float {
    d * Float(scales.load(fromByteOffset: index, as: Int8.self))
  }
}

/// The scale and the minimum of one group of 32 numbers, from 12 bytes that hold eight of each, 6
/// bits wide.
///
/// Groups 0…3: the lower six bits of bytes g (scale) and g + 4 (minimum). Groups 4…7: the lower and
/// upper nibble of byte g + 4, with the upper two bits of bytes g − 4 (scale) and g (minimum) above
/// them.
private struct GroupScale {
  let scale: SIMD16<Float>
  let negatedMinimum: SIMD16<Float>

  @inline(__always)
  init(_ packed: UnsafeRawPointer, group: Int, _ d: Float, _ m: Float) {
    let byte = { packed.load(fromByteOffset: $0, as: UInt8.self) }
    let scaleBits: UInt8
    let minimumBits: UInt8
    if group < 4 {
      scaleBits = byte(group) & 0x3f
      minimumBits = byte(group + 4) & 0x3f
    } else {
      scaleBits = (byte(group + 4) & 0x0f) | ((byte(group - 4) >> 6) << 4)
      minimumBits = (byte(group + 4) >> 4) | ((byte(group) >> 6) << 4)
    }
    scale = SIMD16(repeating: d * Float(scaleBits))
    // Negated as a scalar: a vector's minus is 0 − x, which loses the sign of a zero.
    negatedMinimum = SIMD16(repeating: -m * Float(minimumBits))
  }

  @inline(__always)
  func applied(to quants: SIMD16<Float>) -> SIMD16<Float> {
    negatedMinimum.addingProduct(scale, quants)
  }
}
