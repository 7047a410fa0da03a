import Foundation
import Tensors
import Testing

@testable import Kernels

/// Rows of every format against their definitions.
@Suite("Rows of a cache")
struct CacheRowsTests {
  /// The bytes of one row.
  private static func encoded(_ numbers: [Float], _ codec: any RowCodec.Type) -> [UInt8] {
    var bytes = [UInt8](repeating: 0xaa, count: codec.format.rowBytes(width: numbers.count))
    bytes.withUnsafeMutableBytes { bytes in
      numbers.withUnsafeBufferPointer { numbers in
        codec.encode(numbers.baseAddress!, width: numbers.count, into: bytes.baseAddress!)
      }
    }
    return bytes
  }

  @Test("Blocks equal those of ggml's Python package bit for bit", arguments: ["q8_0", "q4_0"])
  func blocks(name: String) throws {
    let format = try #require(RowFormat(rawValue: name))
    let golden = try GoldenTensors("cache-blocks.safetensors")
    let numbers = golden.floats("numbers")
    let blocks = golden.bytes(name)
    let floats = golden.floats(name + ".floats")
    let bytes = format.rowBytes(width: 96)
    let rows = numbers.count / 96
    #expect(rows > 60 && blocks.count == rows * bytes && floats.count == numbers.count)
    for row in 0..<rows {
      let source = Array(numbers[row * 96..<(row + 1) * 96])
      #expect(
        Self.encoded(source, format.codec) == Array(blocks[row * bytes..<(row + 1) * bytes]),
        "row \(row): \(source)")
    }
    let stored = format.stored(
      Matrix(rows: rows, columns: 96, elements: numbers), headDimension: 96)
    // Numbers beyond half floats are infinite, and 0 · ∞ is none.
    #expect(zip(stored.elements, floats).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN })
  }

  @Test(
    "NaN and infinity are stored without a trap, and NaN is not hidden",
    arguments: RowFormat.allCases)
  func notFinite(format: RowFormat) {
    for number in [Float.nan, .infinity, -.infinity, .greatestFiniteMagnitude] {
      var numbers = [Float](repeating: 1, count: 64)
      numbers[40] = number
      _ = Self.encoded(numbers, format.codec)
      guard number.isNaN, !format.changesWithAge else { continue }
      let stored = format.stored(
        Matrix(rows: 1, columns: 64, elements: numbers), headDimension: 64)
      #expect(stored.elements.contains { $0.isNaN })
    }
  }

  @Test(
    "The rotation is the Hadamard matrix of its definition",
    arguments: [1, 2, 16, 32, 64, 96, 256, 320])
  func hadamard(width: Int) {
    let block = Hadamard(width: width).block
    #expect(width % block == 0 && width / block % 2 == 1)
    var numbers = TestNumbers(seed: width)
    let row = numbers.floats(width)
    var turned = row
    turned.withUnsafeMutableBufferPointer {
      Hadamard(width: width).turn(rows: 1, stride: width, $0.baseAddress!)
    }
    for i in 0..<width {
      let first = i / block * block
      var sum = 0.0
      for j in 0..<block {
        let sign = ((i - first) & j).nonzeroBitCount % 2 == 0 ? 1.0 : -1.0
        sum += sign * Double(row[first + j])
      }
      #expect(abs(Double(turned[i]) - sum / Double(block).squareRoot()) < 1e-5)
    }
    turned.withUnsafeMutableBufferPointer {
      Hadamard(width: width).turn(rows: 1, stride: width, $0.baseAddress!)
    }
    #expect(zip(row, turned).allSatisfy { abs($0 - $1) < 1e-5 })
  }

  @Test("Rotated rows are read back as they came; one outlier costs the others fewer bits")
  func rotatedRows() {
    var numbers = TestNumbers(seed: 3)
    var matrix = numbers.matrix(40, 192)
    for row in 0..<40 { matrix[row, 17] = 30 }
    func error(_ format: RowFormat) -> Double {
      let stored = format.stored(matrix, headDimension: 96)
      return zip(stored.elements, matrix.elements).enumerated().reduce(0) { sum, pair in
        pair.offset % 192 == 17 ? sum : sum + Double(abs(pair.element.0 - pair.element.1))
      }
    }
    #expect(error(.q4_0_rotated) < 0.75 * error(.q4_0))
    var plain = numbers.matrix(40, 192)
    for i in plain.elements.indices { plain.elements[i] = Float(i % 7) }
    let stored = RowFormat.q4_0_rotated.stored(plain, headDimension: 64)
    #expect(zip(stored.elements, plain.elements).allSatisfy { abs($0 - $1) < 3 })
  }

  /// number = minimum + step · code as KIVI's authors compute it, in double precision but for the
  /// half floats: within half a step and the rounding of range and step.
  private static func isRounded(_ stored: [Float], _ source: [Float], levels: Float) -> Bool {
    let low = source.min() ?? 0
    let range = (source.max() ?? 0) - low
    let allowed = range / levels / 2 + (range + abs(low)) / 1024 + 1e-6
    return zip(stored, source).allSatisfy { abs($0 - $1) <= allowed }
      && Set(stored).count <= Int(levels) + 1
  }

  @Test(
    "Values have a range for each 32 channels of a token, keys for each channel of 32 tokens",
    arguments: [(RowFormat.kivi4, Float(15)), (.kivi2, 3)])
  func ranges(format: RowFormat, levels: Float) {
    var numbers = TestNumbers(seed: 8)
    let d = 64
    var matrix = numbers.matrix(256, d)
    for row in 0..<256 { matrix[row, 3] += 50 }
    let values = format.stored(matrix, headDimension: d)
    for row in 0..<256 {
      for first in [0, 32] {
        let columns = first..<first + 32
        #expect(
          Self.isRounded(
            columns.map { values[row, $0] }, columns.map { matrix[row, $0] }, levels: levels))
      }
    }
    let keys = format.stored(matrix, headDimension: d, asKeys: true)
    for column in 0..<d {
      for first in stride(from: 0, to: 256, by: 32) {
        let rows = first..<first + 32
        #expect(
          Self.isRounded(
            rows.map { keys[$0, column] }, rows.map { matrix[$0, column] }, levels: levels))
      }
    }
  }

  // MARK: Lloyd formats

  /// Entries of a format in ascending order.
  private static func entries(_ format: RowFormat) -> [Double] {
    let all =
      switch format {
      case .lloyd4: LloydFourBits.entries
      case .lloyd3: LloydThreeBits.entries
      default: LloydTwoBits.entries
      }
    return Set(all.indices.map { Double(all[$0]) }).sorted()
  }

  private static let lloyd: [(RowFormat, bits: Int, error: Double)] = [
    // The mean squared errors of Max's tables (IRE Transactions on Information Theory, 1960).
    (.lloyd4, 4, 0.009497), (.lloyd3, 3, 0.03454), (.lloyd2, 2, 0.1175),
  ]

  @Test("Each entry is the mean of the part of a Gaussian that is nearest to it", arguments: lloyd)
  func entriesAreMeans(format: RowFormat, bits: Int, error: Double) {
    let entries = Self.entries(format)
    #expect(entries.count == 1 << bits)
    func density(_ x: Double) -> Double { exp(-x * x / 2) / (2 * Double.pi).squareRoot() }
    var squares = 0.0
    for (index, entry) in entries.enumerated() {
      let low = index == 0 ? -12 : (entries[index - 1] + entry) / 2
      let high = index == entries.count - 1 ? 12 : (entry + entries[index + 1]) / 2
      let steps = 20_000
      let width = (high - low) / Double(steps)
      var (mass, moment) = (0.0, 0.0)
      for step in 0..<steps {
        let x = low + (Double(step) + 0.5) * width
        mass += density(x) * width
        moment += x * density(x) * width
        squares += (x - entry) * (x - entry) * density(x) * width
      }
      #expect(abs(moment / mass - entry) < 2e-6)
    }
    #expect(abs(squares / error - 1) < 1e-3)
  }

  @Test("Rows are turned, and each number named by the nearest entry", arguments: lloyd)
  func lloydRows(format: RowFormat, bits: Int, error: Double) {
    var numbers = TestNumbers(seed: 40 + bits)
    for width in [32, 64, 96, 128, 256] {
      let entries = Self.entries(format)
      var (squares, errors) = (0.0, 0.0)
      for row in 0..<60 {
        var source = numbers.floats(width)
        if row % 3 == 0 { source[row % width] = 40 }
        if row == 7 { source = source.map { _ in 0 } }
        let stored = format.stored(
          Matrix(rows: 1, columns: width, elements: source), headDimension: width)
        func turned(_ row: [Float]) -> [Float] {
          var row = row
          row.withUnsafeMutableBufferPointer {
            Hadamard(width: width).turn(rows: 1, stride: width, $0.baseAddress!)
          }
          return row
        }
        let (before, after) = (turned(source).map(Double.init), turned(stored.elements))
        let deviation = (before.reduce(0) { $0 + $1 * $1 } / Double(width)).squareRoot()
        let codes = before.map { number in
          entries.indices.min {
            abs(entries[$0] * deviation - number) < abs(entries[$1] * deviation - number)
          } ?? 0
        }
        let product = zip(before, codes).reduce(0) { $0 + $1.0 * entries[$1.1] }
        let own = codes.reduce(0) { $0 + entries[$1] * entries[$1] }
        let scale = Double(Float16(product / own))
        // A number half way between two entries may go to either; none of these is.
        for i in 0..<width {
          #expect(
            abs(Double(after[i]) - scale * entries[codes[i]]) <= 2e-3 * max(scale, 1e-6),
            "row \(row), number \(i)")
        }
        // One number that is all there is of a row becomes as large everywhere, which is no Gaussian.
        if row % 3 == 0 { continue }
        squares += before.reduce(0) { $0 + $1 * $1 }
        errors += zip(before, after).reduce(0) {
          $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1))
        }
      }
      #expect(errors < 1.15 * error * squares)
    }
  }
}
