import Tensors

/// How the 32 numbers of a channel are decoded; generic code over it is specialised for each width.
protocol ColdCodes {
  /// Codes as floats: of tokens 0…15 and 16…31.
  static func floats(_ codes: UnsafeRawPointer) -> (SIMD16<Float>, SIMD16<Float>)

  static func store(
    _ first: SIMD16<UInt8>, _ second: SIMD16<UInt8>, at codes: UnsafeMutableRawPointer)
}

enum FourBitCodes: ColdCodes {
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

/// Half of a page, its keys or its values: d minima, d steps, d times the codes of 32 tokens.
struct ColdHalf<Codes: ColdCodes> {
  let memory: UnsafeRawPointer
  let headDimension: Int
  let codeBytes: Int

  @inline(__always)
  func minimum(_ channel: Int) -> Float { memory.half(at: 2 &* channel) }

  @inline(__always)
  func step(_ channel: Int) -> Float { memory.half(at: 2 &* (headDimension &+ channel)) }

  /// The numbers of one channel, tokens 0…15 and 16…31.
  @inline(__always)
  func numbers(_ channel: Int) -> (SIMD16<Float>, SIMD16<Float>) {
    let (first, second) = Codes.floats(
      memory + (4 &* headDimension &+ channel &* codeBytes))
    let minimum = SIMD16<Float>(repeating: minimum(channel))
    let step = SIMD16<Float>(repeating: step(channel))
    return (minimum.addingProduct(first, step), minimum.addingProduct(second, step))
  }
}

/// The pages of a tier in memory; valid while the tier's bytes are.
struct ColdPages<Codes: ColdCodes> {
  let memory: UnsafeRawPointer
  let headDimension: Int
  let pageBytes: Int
  let codeBytes: Int

  init(_ tier: ColdTier, _ memory: UnsafeRawPointer) {
    self.memory = memory
    headDimension = tier.headDimension
    pageBytes = tier.pageBytes
    codeBytes = ColdTier.codeBytes(tier.format)
  }

  @inline(__always)
  func keys(ofPage page: Int) -> ColdHalf<Codes> { half(memory + page &* pageBytes) }

  @inline(__always)
  func values(ofPage page: Int) -> ColdHalf<Codes> {
    half(memory + (page &* pageBytes &+ pageBytes / 2))
  }

  @inline(__always)
  private func half(_ memory: UnsafeRawPointer) -> ColdHalf<Codes> {
    ColdHalf(memory: memory, headDimension: headDimension, codeBytes: codeBytes)
  }
}
