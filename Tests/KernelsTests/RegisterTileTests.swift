import Testing

@testable import Kernels

@Suite("Register tiles")
struct RegisterTileTests {
  @Test(
    "A strip of any number of rows is the product, whichever tiles the CPU has", arguments: 1...27)
  func strips(rows: Int) {
    var numbers = TestNumbers(seed: rows)
    for depth in [1, 2, 15, 64] {
      for adds in [false, true] {
        let (strideA, strideB, strideC) = (depth + 3, 37, 41)
        let a = numbers.floats(rows * strideA)
        let b = numbers.floats(depth * strideB)
        let start = numbers.floats(rows * strideC)
        let strip = StripProduct(
          depth: depth, strideA: strideA, strideB: strideB, strideC: strideC, adds: adds)
        for (width, variant) in [(32, 0), (16, 1), (16, 2)] {
          var c = start
          c.withUnsafeMutableBufferPointer { c in
            let c = c.baseAddress!
            switch variant {
            case 0: strip.multiply32(rows: rows, a, b, c)
            case 1: strip.multiply16(rows: rows, a, b, c)
            default: strip.narrowTiles(rows: rows, a, b, c)
            }
          }
          for row in 0..<rows {
            for column in 0..<strideC {
              let index = row * strideC + column
              guard column < width else {
                #expect(c[index] == start[index])
                continue
              }
              var expected = adds ? Double(start[index]) : 0
              for k in 0..<depth {
                expected += Double(a[row * strideA + k]) * Double(b[k * strideB + column])
              }
              #expect(abs(Double(c[index]) - expected) < 2e-6 * Double(depth).squareRoot())
            }
          }
        }
      }
    }
  }

  @Test("A panel is the transposed rows, zero where rows are missing", arguments: [1, 5, 31, 32])
  func panels(rows: Int) {
    var numbers = TestNumbers(seed: rows)
    for depth in [1, 15, 16, 17, 64, 80] {
      let source = numbers.floats(rows * depth)
      var panel = [Float](repeating: .nan, count: depth * 32)
      source.withUnsafeBufferPointer { source in
        panel.withUnsafeMutableBufferPointer { panel in
          Panel.pack(rows: rows, depth: depth, into: panel.baseAddress!) {
            source.baseAddress! + $0 * depth
          }
        }
      }
      for k in 0..<depth {
        for column in 0..<32 {
          #expect(panel[k * 32 + column] == (column < rows ? source[column * depth + k] : 0))
        }
      }
    }
  }
}
