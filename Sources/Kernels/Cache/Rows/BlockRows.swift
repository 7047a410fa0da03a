internal import CLookup
import Tensors

// Rows of ggml's blocks, as its reference implementation makes them: for each 32 numbers of a row a
// scale, a half float, and small integers. Numbers 0…15 of a 4-bit block sit in the lower halves of
// its bytes, 16…31 in the upper ones.

/// q8_0. Block: d, 32 signed bytes q. d is the largest magnitude / 127, q = x / d, halves rounded
/// away from zero; number = d · q.
enum EightBitRows: RowCodec {
  static var format: RowFormat { .q8_0 }
  private static var blockBytes: Int { 34 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    let block = row + index / 2 &* blockBytes
    return lookup_scale(block) * lookup_signed_bytes(block + (2 &+ index % 2 &* 16))
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    for index in 0..<width / 32 {
      let halves = (loadVector(numbers + 32 * index), loadVector(numbers + (32 * index + 16)))
      let block = row + index * blockBytes
      let d = Magnitudes.largest(halves.0, halves.1) / 127
      let scale: Float = d == 0 ? 0 : 1 / d
      block.store(half: d)
      (block + 2).store(Self.rounded(halves.0 * scale).lowBytes)
      (block + 18).store(Self.rounded(halves.1 * scale).lowBytes)
    }
  }

  /// To the nearest whole number, halves away from zero.
  @inline(__always)
  private static func rounded(_ numbers: SIMD16<Float>) -> SIMD16<Float> {
    let nearest = numbers.nearest
    let rest = numbers - nearest
    // A half that was rounded towards zero, to an even number.
    let one = SIMD16<Float>(repeating: 1)
    let up = one.replacing(with: 0, where: (rest .!= 0.5) .| (numbers .< 0))
    let down = one.replacing(with: 0, where: (rest .!= -0.5) .| (numbers .> 0))
    return nearest + up - down
  }
}

/// q4_0. Block: d, 16 bytes of nibbles q. d is the number of the largest magnitude, the first of
/// several, / −8, q = ⌊x / d + 8.5⌋, at most 15; number = d · (q − 8).
enum FourBitRows: RowCodec {
  static var format: RowFormat { .q4_0 }
  private static var blockBytes: Int { 18 }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    let block = row + index / 2 &* blockBytes
    if lookup_is_fast() != 0 {
      let words = lookup_bytes(block + 2)
      return lookup_entries(
        lookup_steps(block), index % 2 == 0 ? words : lookup_upper_nibbles(words))
    }
    let bytes = block.sixteenBytes(at: 2)
    let quants = index % 2 == 0 ? lowNibbles(bytes) : highNibbles(bytes)
    return lookup_scale(block) * (Kernels.floats(quants) - 8)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    for index in 0..<width / 32 {
      let halves = (loadVector(numbers + 32 * index), loadVector(numbers + (32 * index + 16)))
      let block = row + index * blockBytes
      let largest = Magnitudes.largest(halves.0, halves.1).bitPattern
      // NaN is the largest of all, so there always is one.
      var place = 32 * index
      while numbers[place].magnitude.bitPattern != largest { place += 1 }
      let d = numbers[place] / -8
      let scale: Float = d == 0 ? 0 : 1 / d
      block.store(half: d)
      let low = Self.quants(halves.0 * scale + 8.5).lowBytes
      let high = Self.quants(halves.1 * scale + 8.5).lowBytes
      (block + 2).store(low | high &<< 4)
    }
  }

  /// ⌊x⌋, at most 15.
  @inline(__always)
  private static func quants(_ numbers: SIMD16<Float>) -> SIMD16<Float> {
    let nearest = numbers.nearest
    let one = SIMD16<Float>(repeating: 1)
    let floor = nearest - one.replacing(with: 0, where: nearest .<= numbers)
    return floor.replacing(with: 15, where: floor .> 15)
  }
}

/// q4_0 of rows that are rotated before they are held.
enum RotatedFourBitRows: RowCodec {
  static var format: RowFormat { .q4_0_rotated }
  static var isRotated: Bool { true }

  @inline(__always)
  static func vector(_ row: UnsafeRawPointer, _ index: Int) -> SIMD16<Float> {
    FourBitRows.vector(row, index)
  }

  static func encode(
    _ numbers: UnsafePointer<Float>, width: Int, into row: UnsafeMutableRawPointer
  ) {
    Hadamard(width: width).withTurned(numbers) {
      FourBitRows.encode($0, width: width, into: row)
    }
  }
}

// MARK: - Pieces

enum Magnitudes {
  /// The largest magnitude of all lanes; NaN if one is NaN.
  @inline(__always)
  static func largest(_ first: SIMD16<Float>, _ second: SIMD16<Float>) -> Float {
    // As whole numbers, magnitudes have the same order, and NaN lies above infinity.
    let mask = SIMD16<UInt32>(repeating: 0x7fff_ffff)
    let a = unsafeBitCast(first, to: SIMD16<UInt32>.self) & mask
    let b = unsafeBitCast(second, to: SIMD16<UInt32>.self) & mask
    let eight = larger(larger(a.lowHalf, a.highHalf), larger(b.lowHalf, b.highHalf))
    var largest: UInt32 = 0
    for lane in 0..<8 { largest = max(largest, eight[lane]) }
    return Float(bitPattern: largest)
  }

  @inline(__always)
  private static func larger(_ a: SIMD8<UInt32>, _ b: SIMD8<UInt32>) -> SIMD8<UInt32> {
    var result = SIMD8<UInt32>()
    for lane in 0..<8 { result[lane] = a[lane] > b[lane] ? a[lane] : b[lane] }
    return result
  }
}

extension SIMD16<Float> {
  /// What numbers are added to so that their fraction is rounded away: 1.5 · 2^23.
  @inline(__always)
  private static var shift: SIMD16<Float> { SIMD16(repeating: 12_582_912) }

  /// The nearest whole numbers, halves to even, of numbers below 2^22.
  @inline(__always)
  var nearest: SIMD16<Float> { self + Self.shift - Self.shift }

  /// Whole numbers from −128 to 255, as bytes (two's complement). Anything else becomes some byte.
  @inline(__always)
  var lowBytes: SIMD16<UInt8> {
    let words = unsafeBitCast(self + Self.shift, to: SIMD16<UInt32>.self)
    var bytes = SIMD16<UInt8>()
    for lane in 0..<16 { bytes[lane] = UInt8(truncatingIfNeeded: words[lane]) }
    return bytes
  }
}

extension UnsafeMutableRawPointer {
  /// A half float in little-endian order.
  @inline(__always)
  func store(half number: Float) {
    storeBytes(of: Float16(number).bitPattern.littleEndian, as: UInt16.self)
  }

  @inline(__always)
  func store(_ bytes: SIMD16<UInt8>) { storeBytes(of: bytes, as: SIMD16<UInt8>.self) }
}
