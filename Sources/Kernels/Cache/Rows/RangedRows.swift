internal import CLookup
import Tensors

// KIVI's values: for each 32 channels of a token their minimum and a step, half floats, and codes.
// number = minimum + step · code.

/// 4 bits. Block: step, minimum, 16 bytes of nibbles: that of a ggml q4_1.
enum RangedFourBitRows: RowCodec {
  static var format: RowFormat { .kivi4 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    let (first, second) = RangedBlock<FourBitCodes>(row, index / 2).numbers
    return index % 2 == 0 ? first : second
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { RangedBlock<FourBitCodes>.encode(numbers, width: width, into: row) }
}

/// 2 bits. Block: step, minimum, 8 bytes of codes.
enum RangedTwoBitRows: RowCodec {
  static var format: RowFormat { .kivi2 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    let (first, second) = RangedBlock<TwoBitCodes>(row, index / 2).numbers
    return index % 2 == 0 ? first : second
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { RangedBlock<TwoBitCodes>.encode(numbers, width: width, into: row) }
}

/// 32 numbers with a range of their own.
private struct RangedBlock<Codes: ColdCodes> {
  private let memory: UnsafeRawPointer

  @inline(__always)
  private static var bytes: Int { 4 &+ Codes.bytes }

  @inline(__always)
  init(_ row: UnsafeRawPointer, _ index: Int) { memory = row + index &* Self.bytes }

  @inline(__always)
  var numbers: (SIMD16<Float>, SIMD16<Float>) {
    Codes.numbers(memory + 4, minimum: lookup_scale(memory + 2), step: lookup_scale(memory))
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    for index in 0..<width / 32 {
      let block = row + index * bytes
      let range = CodeRange<Codes>(
        loadVector(numbers + 32 * index), loadVector(numbers + (32 * index + 16)))
      block.storeBytes(of: range.step.bitPattern.littleEndian, as: UInt16.self)
      block.storeBytes(
        of: range.minimum.bitPattern.littleEndian, toByteOffset: 2, as: UInt16.self)
      range.storeCodes(at: block + 4)
    }
  }
}
