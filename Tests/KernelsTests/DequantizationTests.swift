import Tensors
import Testing

@testable import Kernels

@Suite("Dequantisation")
struct DequantizationTests {
  static func randomBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
  }

  static func dequantized(_ format: BlockFormat, _ bytes: [UInt8], elements: Int) -> [Float] {
    var result = [Float](repeating: -1, count: elements)
    bytes.withUnsafeBytes { source in
      result.withUnsafeMutableBufferPointer { target in
        dequantize(format, source.baseAddress!, elements: elements, into: target.baseAddress!)
      }
    }
    return result
  }

  @Test(
    "Every number of random blocks equals the definition in Double, rounded once",
    arguments: BlockFormat.allCases)
  func matchesDefinition(format: BlockFormat) {
    let elements = 64 * 256
    let bytes = Self.randomBytes(
      elements / format.elementsPerBlock * format.bytesPerBlock, seed: 7)
    let fast = Self.dequantized(format, bytes, elements: elements)
    for (index, number) in fast.enumerated() {
      let expected = BlockDefinition.number(index, of: bytes, in: format)
      #expect(
        number.bitPattern == expected.bitPattern || (number.isNaN && expected.isNaN),
        "\(format), number \(index)")
    }
  }

  @Test("Every half float has its value", arguments: [BlockFormat.f16, .bf16])
  func allHalves(format: BlockFormat) {
    let bytes = (0..<65_536).flatMap { [UInt8($0 & 0xff), UInt8($0 >> 8)] }
    for (index, number) in Self.dequantized(format, bytes, elements: 65_536).enumerated() {
      let expected = BlockDefinition.number(index, of: bytes, in: format)
      #expect(number.bitPattern == expected.bitPattern || (number.isNaN && expected.isNaN))
    }
  }

  @Test("Every half float scales a block")
  func allScales() {
    // Q8_0: the scale, then 32 signed bytes, the first of which is 3.
    let bytes = (0..<65_536).flatMap { scale -> [UInt8] in
      [UInt8(scale & 0xff), UInt8(scale >> 8), 3] + [UInt8](repeating: 0, count: 31)
    }
    let numbers = Self.dequantized(.q8_0, bytes, elements: 65_536 * 32)
    for scale in 0..<65_536 {
      let expected = 3 * Float(Float16(bitPattern: UInt16(scale)))
      let number = numbers[32 * scale]
      #expect(number.bitPattern == expected.bitPattern || (number.isNaN && expected.isNaN))
    }
  }

  @Test(
    "A part of the blocks gives a part of the numbers and writes no further",
    arguments: BlockFormat.allCases)
  func writesOnlyWhatWasAsked(format: BlockFormat) {
    let size = format.elementsPerBlock
    let bytes = Self.randomBytes(40 * format.bytesPerBlock, seed: 11)
    let whole = Self.dequantized(format, bytes, elements: 40 * size)
    for blocks in [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 40] {
      var target = [Float](repeating: 123, count: 40 * size + 16)
      // Neither side aligned: the source one byte on, the target one float on.
      ([0] + bytes).withUnsafeBytes { source in
        target.withUnsafeMutableBufferPointer { target in
          dequantize(
            format, source.baseAddress! + 1, elements: blocks * size, into: target.baseAddress! + 1)
        }
      }
      #expect(target[0] == 123)
      #expect(target[(1 + blocks * size)...].allSatisfy { $0 == 123 })
      let equal = zip(target[1..<1 + blocks * size], whole).allSatisfy {
        $0.bitPattern == $1.bitPattern
      }
      #expect(equal, "\(format), \(blocks) blocks")
    }
  }

  @Test("A matrix gives any rows of its own, wherever it begins", arguments: BlockFormat.allCases)
  func rowsOfMatrix(format: BlockFormat) throws {
    let (rows, columns, offset) = (6, 2 * format.elementsPerBlock, 37)
    let rowBytes = 2 * format.bytesPerBlock
    let bytes = Self.randomBytes(offset + rows * rowBytes, seed: 5)
    let weights = WeightMatrix(
      rows: rows, columns: columns, format: format, storage: ArrayStorage(bytes), offset: offset)
    #expect(weights.bytesPerRow == rowBytes)
    #expect(weights.byteCount == rows * rowBytes)
    for range in [0..<6, 2..<5, 5..<6, 3..<3, 0..<0, 6..<6] {
      let matrix = weights.dequantizedRows(range)
      let part = Array(
        bytes[(offset + range.lowerBound * rowBytes)..<(offset + range.upperBound * rowBytes)])
      let expected = Self.dequantized(format, part + [0], elements: range.count * columns)
      #expect((matrix.rows, matrix.columns) == (range.count, columns))
      #expect(matrix.elements.map(\.bitPattern) == expected.map(\.bitPattern))
    }
  }

  @Test("Float weights come back as they were")
  func floatMatrix() {
    let matrix = Matrix(rows: 2, columns: 3, elements: [1, -2, 3.5, 0, .infinity, 1e-30])
    #expect(WeightMatrix(matrix).dequantizedRows(0..<2) == matrix)
  }

  @Test("A size that is not whole blocks, negative or too large to count has no number of bytes")
  func byteCounts() {
    #expect(BlockFormat.q4_1.byteCount(rows: 3, columns: 64) == 120)
    #expect(BlockFormat.q6_K.byteCount(rows: 0, columns: 256) == 0)
    #expect(BlockFormat.q4_1.byteCount(rows: 3, columns: 33) == nil)
    #expect(BlockFormat.f32.byteCount(rows: -1, columns: 4) == nil)
    #expect(BlockFormat.f32.byteCount(rows: 1, columns: -4) == nil)
    #expect(BlockFormat.f32.byteCount(rows: 1 << 40, columns: 1 << 22) == nil)
    #expect(BlockFormat.q8_0.byteCount(rows: 1, columns: .max - 31) == nil)
  }

  @Test("A matrix larger than its storage traps")
  func matrixBeyondStorage() async {
    await #expect(processExitsWith: .failure) {
      _ = WeightMatrix(
        rows: 2, columns: 4, format: .f32, storage: ArrayStorage([UInt8](repeating: 0, count: 31)))
    }
    await #expect(processExitsWith: .failure) {
      _ = WeightMatrix(
        rows: 1, columns: 4, format: .f32, storage: ArrayStorage([UInt8](repeating: 0, count: 32)),
        offset: 17)
    }
  }

  @Test("Rows outside a matrix trap")
  func rowsOutside() async {
    await #expect(processExitsWith: .failure) {
      _ = WeightMatrix(Matrix(rows: 2, columns: 2)).dequantizedRows(1..<3)
    }
  }
}
