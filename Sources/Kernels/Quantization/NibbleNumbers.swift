internal import CLookup

/// The numbers that four-bit quants encode: scale · q + minimum for q from 0 to 15.
///
/// With AVX-512 the sixteen numbers lie in one register, and one instruction permutes them by the
/// lowest four bits of the quants: nothing to mask or convert, and one multiplication a block.
/// Elsewhere each quant is converted. The bits are the same.
struct NibbleNumbers {
  private let scale: SIMD16<Float>
  private let minimum: SIMD16<Float>
  private let table: SIMD16<Float>

  @inline(__always)
  init(scale: Float, minimum: Float) {
    self.scale = SIMD16(repeating: scale)
    self.minimum = SIMD16(repeating: minimum)
    table = lookup_line(scale, minimum)
  }

  /// The numbers of the lower and of the upper nibbles of sixteen bytes.
  @inline(__always)
  func decode(_ source: UnsafeRawPointer) -> (lower: SIMD16<Float>, upper: SIMD16<Float>) {
    if lookup_is_fast() != 0 {
      let words = lookup_bytes(source)
      return (lookup_entries(table, words), lookup_entries(table, lookup_upper_nibbles(words)))
    }
    let bytes = source.sixteenBytes(at: 0)
    return (
      minimum.addingProduct(scale, floats(lowNibbles(bytes))),
      minimum.addingProduct(scale, floats(highNibbles(bytes)))
    )
  }
}
