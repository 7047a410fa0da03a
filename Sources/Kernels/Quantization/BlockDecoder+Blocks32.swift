internal import CLookup

// The formats with 32 numbers a block. Numbers 0…15 sit in the lower nibbles of the 16 bytes of
// quants, numbers 16…31 in the upper ones.

/// 34 bytes: d, 32 signed bytes q. number = d · q
enum Q8_0: BlockDecoder {
  static var format: BlockFormat { .q8_0 }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    emit(0, d * signedFloats(block.sixteenBytes(at: 2)))
    emit(16, d * signedFloats(block.sixteenBytes(at: 18)))
  }
}

/// 18 bytes: d, 16 bytes of nibbles q. number = d · (q − 8)
enum Q4_0: BlockDecoder {
  static var format: BlockFormat { .q4_0 }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    let quants = block.sixteenBytes(at: 2)
    emit(0, d * (floats(lowNibbles(quants)) - 8))
    emit(16, d * (floats(highNibbles(quants)) - 8))
  }
}

/// 20 bytes: d, m, 16 bytes of nibbles q. number = d · q + m
enum Q4_1: BlockDecoder {
  static var format: BlockFormat { .q4_1 }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let numbers = NibbleNumbers(scale: block.scale(at: 0), minimum: block.scale(at: 2))
    let (lower, upper) = numbers.decode(block + 4)
    emit(0, lower)
    emit(16, upper)
  }
}

/// 22 bytes: d, 32 fifth bits (number i's is bit i), 16 bytes of nibbles. number = d · (q − 16)
enum Q5_0: BlockDecoder {
  static var format: BlockFormat { .q5_0 }

  /// q − 16 where the fifth bit is 0.
  @inline(__always)
  private static var quants: SIMD16<Float> {
    SIMD16(-16, -15, -14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1)
  }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = block.scale(at: 0)
    if lookup_is_fast() != 0 {
      let lower = d * Self.quants
      let upper = d * (Self.quants + 16)
      let quants = lookup_bytes(block + 6)
      let fifth = UInt32(littleEndian: block.loadUnaligned(fromByteOffset: 2, as: UInt32.self))
      emit(0, lookup_entries_of_two(lower, upper, quants, UInt16(truncatingIfNeeded: fifth)))
      emit(
        16,
        lookup_entries_of_two(
          lower, upper, lookup_upper_nibbles(quants), UInt16(truncatingIfNeeded: fifth &>> 16)))
      return
    }
    let (low, high) = fiveBitQuants(nibbles: block + 6, fifthBits: block + 2)
    emit(0, d * (low - 16))
    emit(16, d * (high - 16))
  }
}

/// 24 bytes: d, m, 32 fifth bits, 16 bytes of nibbles. number = d · q + m
enum Q5_1: BlockDecoder {
  static var format: BlockFormat { .q5_1 }

  @inline(__always)
  static func decode(_ block: UnsafeRawPointer, _ emit: (Int, SIMD16<Float>) -> Void) {
    let d = SIMD16(repeating: block.scale(at: 0))
    let m = SIMD16(repeating: block.scale(at: 2))
    let (low, high) = fiveBitQuants(nibbles: block + 8, fifthBits: block + 4)
    emit(0, m.addingProduct(d, low))
    emit(16, m.addingProduct(d, high))
  }
}

/// The numbers 0…31 of 32 quants whose fifth bits are stored separately.
@inline(__always)
private func fiveBitQuants(
  nibbles: UnsafeRawPointer, fifthBits: UnsafeRawPointer
) -> (low: SIMD16<Float>, high: SIMD16<Float>) {
  let quants = nibbles.sixteenBytes(at: 0)
  let bits = UInt32(littleEndian: fifthBits.loadUnaligned(as: UInt32.self))
  let low = widened(lowNibbles(quants)) | (sixteenBits(bits) &<< 4)
  let high = widened(highNibbles(quants)) | (sixteenBits(bits &>> 16) &<< 4)
  return (floats(low), floats(high))
}

/// The lower sixteen bits, one a lane, from the lowest up.
@inline(__always)
private func sixteenBits(_ bits: UInt32) -> SIMD16<UInt32> {
  let lane = SIMD16<UInt32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  return (SIMD16(repeating: bits) &>> lane) & 1
}
