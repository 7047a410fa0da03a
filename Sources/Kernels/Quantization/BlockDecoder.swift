/// One quantised format: how the numbers of a block are made from its bytes.
///
/// `d` and `m` below are IEEE half floats. A product of a half, one of the small scales and a quant has at most 24
/// significant bits, so it is exact in a Float; a format that adds a minimum rounds once, in that addition. So every
/// order of the operations, fused or not, gives the same bits.
///
/// Generic code over decoders (a tile of floats, a dot product on the fly) is specialised for each: `emit` is inlined.
protocol BlockDecoder {
  static var format: BlockFormat { get }

  /// Calls `emit` with all numbers of the block, sixteen at a time, and the index of the first of them.
  static func decode(
    _ block: UnsafeRawPointer, _ emit: (_ index: Int, _ numbers: SIMD16<Float>) -> Void)
}

// MARK: - Pieces of blocks

extension UnsafeRawPointer {
  /// A half float, in little-endian order, as a Float.
  @inline(__always)
  func half(at offset: Int) -> Float {
    let bits = UInt16(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    return Float(Float16(bitPattern: bits))
  }

  /// Sixteen unsigned bytes.
  @inline(__always)
  func sixteenBytes(at offset: Int) -> SIMD16<UInt8> {
    loadUnaligned(fromByteOffset: offset, as: SIMD16<UInt8>.self)
  }
}

/// Sixteen small unsigned numbers as floats.
@inline(__always)
func floats(_ bytes: SIMD16<UInt8>) -> SIMD16<Float> {
  SIMD16<Float>(SIMD16<Int32>(truncatingIfNeeded: bytes))
}

/// Sixteen small signed numbers as floats.
@inline(__always)
func floats(_ bytes: SIMD16<Int8>) -> SIMD16<Float> {
  SIMD16<Float>(SIMD16<Int32>(truncatingIfNeeded: bytes))
}

/// The lower four bits of each byte.
@inline(__always)
func lowNibbles(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt8> { bytes & 0x0f }

/// The upper four bits of each byte.
@inline(__always)
func highNibbles(_ bytes: SIMD16<UInt8>) -> SIMD16<UInt8> { (bytes &>> 4) & 0x0f }
