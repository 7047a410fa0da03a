/// Consecutive stored numbers as floats: `elements` of them, from whole blocks at `source`.
///
/// Traps unless `elements` is whole blocks. Both sides may be unaligned; they must not overlap. The
/// caller is responsible for the sizes of both.
func dequantize(
  _ format: BlockFormat, _ source: UnsafeRawPointer, elements: Int,
  into target: UnsafeMutablePointer<Float>
) {
  precondition(
    elements >= 0 && elements % format.elementsPerBlock == 0,
    "dequantize: \(elements) numbers, blocks of \(format.elementsPerBlock)")
  switch format {
  case .f32:
    UnsafeMutableRawPointer(target).copyMemory(
      from: source, byteCount: elements * MemoryLayout<Float>.stride)
  case .f16: dequantizeHalves(source, elements, into: target)
  case .bf16: dequantizeBFloats(source, elements, into: target)
  case .q8_0: dequantizeBlocks(Q8_0.self, source, elements, into: target)
  case .q4_0: dequantizeBlocks(Q4_0.self, source, elements, into: target)
  case .q4_1: dequantizeBlocks(Q4_1.self, source, elements, into: target)
  case .q5_0: dequantizeBlocks(Q5_0.self, source, elements, into: target)
  case .q5_1: dequantizeBlocks(Q5_1.self, source, elements, into: target)
  case .q2_K: dequantizeBlocks(Q2_K.self, source, elements, into: target)
  case .q3_K: dequantizeBlocks(Q3_K.self, source, elements, into: target)
  case .q4_K: dequantizeBlocks(Q4_K.self, source, elements, into: target)
  case .q5_K: dequantizeBlocks(Q5_K.self, source, elements, into: target)
  case .q6_K: dequantizeBlocks(Q6_K.self, source, elements, into: target)
  case .iq4_nl: dequantizeBlocks(IQ4_NL.self, source, elements, into: target)
  case .iq4_xs: dequantizeBlocks(IQ4_XS.self, source, elements, into: target)
  }
}

@inline(__always)
private func dequantizeBlocks<Decoder: BlockDecoder>(
  _ decoder: Decoder.Type, _ source: UnsafeRawPointer, _ elements: Int,
  into target: UnsafeMutablePointer<Float>
) {
  let format = Decoder.format
  for block in 0..<elements / format.elementsPerBlock {
    let numbers = target + block &* format.elementsPerBlock
    Decoder.decode(source + block &* format.bytesPerBlock) { index, vector in
      storeVector(vector, at: numbers + index)
    }
  }
}

/// IEEE half floats; every half is a Float exactly.
private func dequantizeHalves(
  _ source: UnsafeRawPointer, _ elements: Int, into target: UnsafeMutablePointer<Float>
) {
  var index = 0
  while index &+ 16 <= elements {
    let halves = source.loadUnaligned(fromByteOffset: 2 &* index, as: SIMD16<Float16>.self)
    storeVector(SIMD16<Float>(halves), at: target + index)
    index &+= 16
  }
  while index < elements {
    target[index] = source.half(at: 2 &* index)
    index &+= 1
  }
}

/// The upper halves of Floats.
private func dequantizeBFloats(
  _ source: UnsafeRawPointer, _ elements: Int, into target: UnsafeMutablePointer<Float>
) {
  for index in 0..<elements {
    let bits = UInt16(
      littleEndian: source.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self))
    target[index] = Float(bitPattern: UInt32(bits) << 16)
  }
}
