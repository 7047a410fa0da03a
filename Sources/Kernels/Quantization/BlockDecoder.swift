internal import CLookup

/// One quantised format: how the numbers of a block are made from its bytes.
///
/// `d` and `m` below are IEEE half floats. A product of a half, one of the small scales and a quant
/// has at most 24 significant bits, so it is exact in a Float; a format that adds a minimum rounds
/// once, in that addition. So every order of the operations, fused or not, gives the same bits.
///
/// Generic code over decoders (a tile of floats, a dot product on the fly) is specialised for each:
/// `emit` is inlined.
protocol BlockDecoder {
  static var format: BlockFormat { get }

  /// Calls `emit` with all numbers of the block, sixteen at a time, and the index of the first of
  /// them.
  static func decode(
    _ block: UnsafeRawPointer, _ emit: (_ index: Int, _ numbers: SIMD16<Float>) -> Void)
}

// MARK: - Pieces of blocks

extension UnsafeRawPointer {
  /// A half float, in little-endian order, as a Float.
  @inline(__always)
  func half(at offset: Int) -> Float { Float(Float16(bitPattern: halfBits(at: offset))) }

  /// The same for a single number, such as a block's scale: looked up in a table, since converting
  /// and broadcasting one costs as much as sixteen.
  @inline(__always)
  func scale(at offset: Int) -> Float { lookup_half(halfBits(at: offset)) }

  @inline(__always)
  private func halfBits(at offset: Int) -> UInt16 {
    UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// Sixteen unsigned bytes.
  @inline(__always)
  func sixteenBytes(at offset: Int) -> SIMD16<UInt8> {
    loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
  }
}

// Lane by lane in this module's own code: that compiles to one widening and one converting
// instruction, while the standard library's conversions between vectors stay calls.

/// Sixteen unsigned bytes in words.
@inline(__always)
func widened(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt32> {
  var result = SIMD16<UInt32>()
  for lane in 0..<16 { result[lane] = UInt32(bytes[lane]) }
  return result
}

/// Sixteen numbers below 2^24 as floats.
@inline(__always)
func floats(_ numbers: SIMD16<UInt32>) -> SIMD16<Float> {
  var result = SIMD16<Float>()
  for lane in 0..<16 { result[lane] = Float(Int32(truncatingIfNeeded: numbers[lane])) }
  return result
}

/// Sixteen unsigned bytes as floats.
@inline(__always)
func floats(_ bytes: SIMD16<UInt8>) -> SIMD16<Float> { floats(widened(bytes)) }

/// Sixteen signed bytes (two's complement) as floats.
@inline(__always)
func signedFloats(_ bytes: SIMD16<UInt8>) -> SIMD16<Float> {
  var result = SIMD16<Float>()
  for lane in 0..<16 { result[lane] = Float(Int8(bitPattern: bytes[lane])) }
  return result
}

/// The lower four bits of each byte.
@inline(__always)
func lowNibbles(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt8> { bytes & 0x0f }

/// The upper four bits of each byte.
@inline(__always)
func highNibbles(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt8> { bytes &>> 4 }
