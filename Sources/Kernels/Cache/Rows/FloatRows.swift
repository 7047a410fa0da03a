import Tensors

/// Rows of floats.
enum FloatRows: RowCodec {
  static var format: RowFormat { .f32 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    row.loadUnaligned(fromByteOffset: 64 &* index, as: SIMD16<Float>.self)
  }

  @inline(__always)
  static func number(_ row: UnsafeRawPointer, _ index: Int) -> Float {
    row.loadUnaligned(fromByteOffset: 4 &* index, as: Float.self)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { row.copyMemory(from: numbers, byteCount: 4 * width) }

  static func floats(
    _ rows: Int, of memory: UnsafeRawPointer, width: Int,
    decodedInto scratch: UnsafeMutablePointer<Float>, turningBack: Bool
  ) -> UnsafePointer<Float> { memory.assumingMemoryBound(to: Float.self) }
}
