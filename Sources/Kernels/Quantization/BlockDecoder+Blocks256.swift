// The formats with 256 numbers a block, in groups of 32 (Q4_K, Q5_K) or 16 (Q6_K) with a small
// integer scale each.

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
