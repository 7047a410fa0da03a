import Kernels
import Tensors

/// A small seeded generator (SplitMix64): the same numbers on every machine.
struct TestNumbers: RandomNumberGenerator {
  private var state: UInt64

  init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// Uniform in −1…1.
  mutating func unit() -> Float { Float.random(in: -1...1, using: &self) }

  mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
    (0..<count).map { _ in unit() * scale }
  }

  mutating func matrix(_ rows: Int, _ columns: Int, scale: Float = 1) -> Matrix {
    Matrix(rows: rows, columns: columns, elements: floats(rows * columns, scale: scale))
  }

  mutating func integer(_ range: Range<Int>) -> Int { Int.random(in: range, using: &self) }

  /// Weights of a format with random quants and scales between −0.1 and 0.1.
  mutating func weights(
    _ rows: Int, _ columns: Int, _ format: BlockFormat, offset: Int = 0
  ) -> WeightMatrix {
    let count = format.byteCount(rows: rows, columns: columns) ?? 0
    var bytes = (0..<offset + count).map { _ in UInt8.random(in: 0...255, using: &self) }
    for block in stride(from: offset, to: offset + count, by: format.bytesPerBlock) {
      switch format {
      case .f32: put(unit().bitPattern, at: block, into: &bytes)
      case .bf16: put(UInt16(unit().bitPattern >> 16), at: block, into: &bytes)
      default:
        for position in format.halfOffsets {
          put(Float16(unit() * 0.1).bitPattern, at: block + position, into: &bytes)
        }
      }
    }
    return WeightMatrix(
      rows: rows, columns: columns, format: format, storage: ArrayStorage(bytes), offset: offset)
  }

  private func put(_ bits: some FixedWidthInteger, at offset: Int, into bytes: inout [UInt8]) {
    withUnsafeBytes(of: bits.littleEndian) { source in
      for (index, byte) in source.enumerated() { bytes[offset + index] = byte }
    }
  }
}

extension BlockFormat {
  /// Where half floats stand in a block.
  fileprivate var halfOffsets: [Int] {
    switch self {
    case .f32, .bf16: []
    case .f16, .q8_0, .q4_0, .q5_0, .iq4_nl, .iq4_xs: [0]
    case .q4_1, .q5_1, .q4_K, .q5_K: [0, 2]
    case .q2_K: [80, 82]
    case .q3_K: [108]
    case .q6_K: [208]
    }
  }
}
