import Tensors

/// How the codes of 32 numbers with one range lie in memory; generic code over it is specialised for
/// each width.
protocol ColdCodes {
  static var bits: Int { get }

  /// Codes as floats: of tokens 0…15 and 16…31.
  static func floats(_ codes: UnsafeRawPointer) -> (SIMD16<Float>, SIMD16<Float>)

  static func store(
    _ first: SIMD16<UInt8>, _ second: SIMD16<UInt8>, at codes: UnsafeMutableRawPointer)

  // With implementations for all: requirements, so that each width has its own.

  /// Writes a group of 32 rows, given by their addresses.
  static func encode(
    _ rows: [UnsafePointer<Float>], width: Int, into group: UnsafeMutableRawPointer)
  /// Products of some vectors with the 32 tokens of a group; see `ColdHalf`.
  static func multiply(
    group: UnsafeRawPointer, width: Int, vectors: Int, _ vector: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>)
  /// The rows of the 32 tokens of a group, (32 x width).
  static func decode(
    group: UnsafeRawPointer, width: Int, into target: UnsafeMutablePointer<Float>)
}

extension ColdCodes {
  static func groupBytes(width: Int) -> Int { width * (4 + bytes) }

  static func encode(
    _ rows: [UnsafePointer<Float>], width: Int, into group: UnsafeMutableRawPointer
  ) { ColdEncoder<Self>(headDimension: width).encode(rows, into: group) }

  static func multiply(
    group: UnsafeRawPointer, width: Int, vectors: Int, _ vector: UnsafePointer<Float>,
    into target: UnsafeMutablePointer<Float>
  ) {
    ColdHalf<Self>(memory: group, headDimension: width).multiply(
      heads: vectors, vector, into: target, stride: 32)
  }

  static func decode(
    group: UnsafeRawPointer, width: Int, into target: UnsafeMutablePointer<Float>
  ) {
    let group = ColdHalf<Self>(memory: group, headDimension: width)
    for channel in 0..<width {
      let (first, second) = group.numbers(channel)
      for lane in 0..<16 {
        target[lane &* width &+ channel] = first[lane]
        target[(lane &+ 16) &* width &+ channel] = second[lane]
      }
    }
  }

  /// Bytes of 32 codes.
  @inline(__always)
  static var bytes: Int { 4 &* bits }

  /// The largest code.
  static var levels: Float { Float(1 << bits - 1) }

  /// minimum + step · code, of numbers 0…15 and 16…31.
  @inline(__always)
  static func numbers(
    _ codes: UnsafeRawPointer, minimum: SIMD16<Float>, step: SIMD16<Float>
  ) -> (SIMD16<Float>, SIMD16<Float>) {
    let (first, second) = floats(codes)
    return (minimum.addingProduct(first, step), minimum.addingProduct(second, step))
  }
}

/// Byte i holds codes i, i + 8, i + 16 and i + 24, from its lowest bits up.
enum TwoBitCodes: ColdCodes {
  static var bits: Int { 2 }

  @inline(__always)
  static func floats(_ codes: UnsafeRawPointer) -> (SIMD16<Float>, SIMD16<Float>) {
    let bytes = codes.loadUnaligned(as: SIMD8<UInt8>.self)
    let first = SIMD16(lowHalf: bytes, highHalf: bytes &>> 2)
    let second = SIMD16(lowHalf: bytes &>> 4, highHalf: bytes &>> 6)
    return (Kernels.floats(first & 3), Kernels.floats(second & 3))
  }

  @inline(__always)
  static func store(
    _ first: SIMD16<UInt8>, _ second: SIMD16<UInt8>, at codes: UnsafeMutableRawPointer
  ) {
    let bytes =
      first.lowHalf | first.highHalf &<< 2 | second.lowHalf &<< 4 | second.highHalf &<< 6
    codes.storeBytes(of: bytes, as: SIMD8<UInt8>.self)
  }
}

enum FourBitCodes: ColdCodes {
  static var bits: Int { 4 }

  @inline(__always)
  static func floats(_ codes: UnsafeRawPointer) -> (SIMD16<Float>, SIMD16<Float>) {
    let bytes = codes.sixteenBytes(at: 0)
    return (Kernels.floats(lowNibbles(bytes)), Kernels.floats(highNibbles(bytes)))
  }

  @inline(__always)
  static func store(
    _ first: SIMD16<UInt8>, _ second: SIMD16<UInt8>, at codes: UnsafeMutableRawPointer
  ) {
    codes.storeBytes(of: first | second &<< 4, as: SIMD16<UInt8>.self)
  }
}

enum EightBitCodes: ColdCodes {
  static var bits: Int { 8 }

  @inline(__always)
  static func floats(_ codes: UnsafeRawPointer) -> (SIMD16<Float>, SIMD16<Float>) {
    (Kernels.floats(codes.sixteenBytes(at: 0)), Kernels.floats(codes.sixteenBytes(at: 16)))
  }

  @inline(__always)
  static func store(
    _ first: SIMD16<UInt8>, _ second: SIMD16<UInt8>, at codes: UnsafeMutableRawPointer
  ) {
    codes.storeBytes(of: first, as: SIMD16<UInt8>.self)
    codes.storeBytes(of: second, toByteOffset: 16, as: SIMD16<UInt8>.self)
  }
}

/// Half of a page, its keys or its values, or a group of KIVI's keys: d minima, d steps, d times the
/// codes of 32 tokens.
struct ColdHalf<Codes: ColdCodes> {
  let memory: UnsafeRawPointer
  let headDimension: Int

  @inline(__always)
  func minimum(_ channel: Int) -> Float { memory.half(at: 2 &* channel) }

  @inline(__always)
  func step(_ channel: Int) -> Float { memory.half(at: 2 &* (headDimension &+ channel)) }

  /// The numbers of one channel, tokens 0…15 and 16…31.
  @inline(__always)
  func numbers(_ channel: Int) -> (SIMD16<Float>, SIMD16<Float>) {
    Codes.numbers(
      memory + (4 &* headDimension &+ channel &* Codes.bytes),
      minimum: SIMD16(repeating: minimum(channel)), step: SIMD16(repeating: step(channel)))
  }
}

/// The pages of a tier in memory; valid while the tier's bytes are.
struct ColdPages<Codes: ColdCodes> {
  let memory: UnsafeRawPointer
  let headDimension: Int
  let pageBytes: Int

  init(_ tier: ColdTier, _ memory: UnsafeRawPointer) {
    self.memory = memory
    headDimension = tier.headDimension
    pageBytes = tier.pageBytes
  }

  @inline(__always)
  func keys(ofPage page: Int) -> ColdHalf<Codes> { half(memory + page &* pageBytes) }

  @inline(__always)
  func values(ofPage page: Int) -> ColdHalf<Codes> {
    half(memory + (page &* pageBytes &+ pageBytes / 2))
  }

  @inline(__always)
  private func half(_ memory: UnsafeRawPointer) -> ColdHalf<Codes> {
    ColdHalf(memory: memory, headDimension: headDimension)
  }
}
