internal import CLookup
import Tensors

/// Rows of half floats.
enum HalfRows: RowCodec {
  static var format: RowFormat { .f16 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    lookup_half_vector(row + 32 &* index)
  }

  @inline(__always)
  static func number(_ row: UnsafeRawPointer, _ index: Int) -> Float {
    Float(row.loadUnaligned(fromByteOffset: 2 &* index, as: Float16.self))
  }

  /// Rounds to the nearest half float, ties to even; what is too large becomes infinite.
  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    var i = 0
    while i &+ 16 <= width {
      row.storeBytes(
        of: SIMD16<Float16>(loadVector(numbers + i)), toByteOffset: 2 &* i,
        as: SIMD16<Float16>.self)
      i &+= 16
    }
    while i < width {
      row.storeBytes(of: Float16(numbers[i]), toByteOffset: 2 &* i, as: Float16.self)
      i &+= 1
    }
  }
}
