internal import CLookup
import Tensors

// Rows of few bits without groups, after the mean-square variant of TurboQuant (Zandieh et al. 2025, arXiv 2504.19874): a
// rotation makes the numbers of a row look as if drawn from one Gaussian, whatever its outliers were, and the best
// codes for a Gaussian are known. number = scale · entry(code), then turned back; the scale, a half float, is the one
// that makes the squared error of the row smallest. Here the rotation is a Hadamard matrix, not a random one.

/// 4 bits.
enum LloydFourBitRows: RowCodec {
  static var format: RowFormat { .lloyd4 }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    LloydRow<LloydFourBits>.vector(row, index)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { LloydRow<LloydFourBits>.encode(numbers, width: width, into: row) }
}

/// 3 bits.
enum LloydThreeBitRows: RowCodec {
  static var format: RowFormat { .lloyd3 }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    LloydRow<LloydThreeBits>.vector(row, index)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { LloydRow<LloydThreeBits>.encode(numbers, width: width, into: row) }
}

/// 2 bits.
enum LloydTwoBitRows: RowCodec {
  static var format: RowFormat { .lloyd2 }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    LloydRow<LloydTwoBits>.vector(row, index)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) { LloydRow<LloydTwoBits>.encode(numbers, width: width, into: row) }
}

/// Half floats of rotated rows: what is still exact beside rows that are rotated and coded.
enum RotatedHalfRows: RowCodec {
  static var format: RowFormat { .f16 }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    HalfRows.vector(row, index)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    Hadamard(width: width).withTurned(numbers) { HalfRows.encode($0, width: width, into: row) }
  }
}

// MARK: - Codes

/// The codes of the Lloyd-Max quantiser of a standard Gaussian: `entries` are the means of the parts of the line that are
/// nearest to them, which makes the squared error smallest.
protocol LloydCodes {
  static var bits: Int { get }
  /// By the lowest four bits of an index, of which only `bits` are the code's.
  static var entries: SIMD16<Float> { get }
  /// Sixteen codes as indices of `entries`; bits above the lowest four are to be ignored.
  static func indices(_ codes: UnsafeRawPointer) -> lookup_words
}

enum LloydTwoBits: LloydCodes {
  @inline(__always)
  static var bits: Int { 2 }

  @inline(__always)
  static var entries: SIMD16<Float> {
    let four = SIMD4<Float>(-1.510417608, -0.452780040, 0.452780040, 1.510417608)
    let eight = SIMD8(lowHalf: four, highHalf: four)
    return SIMD16(lowHalf: eight, highHalf: eight)
  }

  @inline(__always)
  static func indices(_ codes: UnsafeRawPointer) -> lookup_words { lookup_two_bits(codes) }
}

enum LloydThreeBits: LloydCodes {
  @inline(__always)
  static var bits: Int { 3 }

  @inline(__always)
  static var entries: SIMD16<Float> {
    let eight = SIMD8<Float>(
      -2.151945792, -1.343909261, -0.756005249, -0.245094179,
      0.245094179, 0.756005249, 1.343909261, 2.151945792)
    return SIMD16(lowHalf: eight, highHalf: eight)
  }

  @inline(__always)
  static func indices(_ codes: UnsafeRawPointer) -> lookup_words { lookup_three_bits(codes) }
}

enum LloydFourBits: LloydCodes {
  @inline(__always)
  static var bits: Int { 4 }

  @inline(__always)
  static var entries: SIMD16<Float> {
    SIMD16(
      -2.732589571, -2.069016986, -1.618046386, -1.256231197,
      -0.942340456, -0.656759119, -0.388048299, -0.128395029,
      0.128395029, 0.388048299, 0.656759119, 0.942340456,
      1.256231197, 1.618046386, 2.069016986, 2.732589571)
  }

  @inline(__always)
  static func indices(_ codes: UnsafeRawPointer) -> lookup_words { lookup_four_bits(codes) }
}

/// A row in memory: the scale, then the codes, sixteen at a time in ascending bits.
private enum LloydRow<Codes: LloydCodes> {
  @inline(__always)
  private static var vectorBytes: Int { 2 &* Codes.bits }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    lookup_entries(
      lookup_scale(row) * Codes.entries, Codes.indices(row + (2 &+ index &* vectorBytes)))
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    Hadamard(width: width).withTurned(numbers) { turned in
      var squares = SIMD16<Float>.zero
      for first in stride(from: 0, to: width, by: 16) {
        let vector = loadVector(turned + first)
        squares.addProduct(vector, vector)
      }
      let deviation = (squares.sum() / Float(width)).squareRoot()
      let inverse: Float = deviation > 0 ? 1 / deviation : 0
      let entries = Codes.entries
      // Of what the codes stand for: its product with the row, and with itself.
      var product = SIMD16<Float>.zero
      var own = SIMD16<Float>.zero
      for first in stride(from: 0, to: width, by: 16) {
        let vector = loadVector(turned + first)
        let codes = Self.codes(of: vector * inverse)
        var named = SIMD16<Float>.zero
        for lane in 0..<16 { named[lane] = entries[Int(codes[lane])] }
        product.addProduct(vector, named)
        own.addProduct(named, named)
        store(codes, at: row + (2 + first / 16 * vectorBytes))
      }
      row.store(half: product.sum() / own.sum())
    }
  }

  /// The nearest entries; 0 for NaN.
  @inline(__always)
  private static func codes(of numbers: SIMD16<Float>) -> SIMD16<UInt32> {
    let entries = Codes.entries
    var codes = SIMD16<UInt32>.zero
    for code in 1..<1 << Codes.bits {
      let border = (entries[code - 1] + entries[code]) / 2
      codes &+= SIMD16(repeating: 0).replacing(with: 1, where: numbers .> border)
    }
    return codes
  }

  @inline(__always)
  private static func store(_ codes: SIMD16<UInt32>, at target: UnsafeMutableRawPointer) {
    var word: UInt64 = 0
    for lane in 0..<16 { word |= UInt64(codes[lane]) &<< UInt64(lane &* Codes.bits) }
    for byte in 0..<vectorBytes {
      target.storeBytes(
        of: UInt8(truncatingIfNeeded: word &>> UInt64(8 &* byte)), toByteOffset: byte,
        as: UInt8.self)
    }
  }
}
