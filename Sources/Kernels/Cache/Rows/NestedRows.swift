import Tensors

/// nested: rotated rows in 8 bits between plus and minus their largest magnitude. Row: a half float s, a byte q for each
/// number; s is the largest magnitude / 127.5, q = ⌊x / s⌋ + 128, from 0 to 255; number = (q − 127.5) · s.
///
/// The upper half of a byte alone is a code of 4 bits for the same number: the codes are nested.
enum NestedRows: RowCodec {
  static var format: RowFormat { .nested }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    let codes = Kernels.floats((row + 2).sixteenBytes(at: 16 &* index))
    return (codes - 127.5) * row.half(at: 0)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    Hadamard(width: width).withTurned(numbers) { turned in
      row.store(half: codes(of: turned, width: width, into: row + 2))
    }
  }

  /// Writes the codes of a row that is turned already.
  ///
  /// - Returns: its scale, which a half float holds.
  static func codes(
    of numbers: UnsafePointer<Float>, width: Int, into codes: UnsafeMutableRawPointer
  ) -> Float {
    var largest: Float = 0
    for first in stride(from: 0, to: width, by: 32) {
      let magnitude = Magnitudes.largest(
        loadVector(numbers + first), loadVector(numbers + (first + 16)))
      // NaN comes, and stays.
      if !(magnitude <= largest), !largest.isNaN { largest = magnitude }
    }
    let scale = Float(Float16(largest / 127.5))
    let inverse = scale == 0 ? 0 : 1 / scale
    for first in stride(from: 0, to: width, by: 16) {
      // ⌊x⌋ + 128 is the whole number nearest to x + 127.5, but for halves.
      let shifted = (loadVector(numbers + first) * inverse + 127.5).nearest
      let bounded = shifted.clamped(
        lowerBound: SIMD16(repeating: 0), upperBound: SIMD16(repeating: 255))
      (codes + first).store(bounded.lowBytes)
    }
    return scale
  }
}
