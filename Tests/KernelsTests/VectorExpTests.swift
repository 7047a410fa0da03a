import Foundation
import Kernels
import Testing

@Suite("Vector exponential")
struct VectorExpTests {
  static func exponentials(of numbers: [Float]) -> [Float] {
    var results = [Float](repeating: -1, count: numbers.count)
    var span = results.mutableSpan
    Kernels.exponentials(of: numbers.span, into: &span)
    return results
  }

  static func powersOfTwo(of numbers: [Float]) -> [Float] {
    var results = [Float](repeating: -1, count: numbers.count)
    var span = results.mutableSpan
    Kernels.powersOfTwo(of: numbers.span, into: &span)
    return results
  }

  /// The largest relative error; 1 ULP of a float is between 6e-8 and 1.2e-7 of its value.
  static func worstError(_ results: [Float], _ exact: (Int) -> Double) -> Double {
    var worst = 0.0
    for (index, result) in results.enumerated() {
      let expected = exact(index)
      worst = max(worst, abs(Double(result) - expected) / expected)
    }
    return worst
  }

  @Test("e^x is within 1.5e-7 of the Double value over its whole range")
  func expIsExact() {
    let numbers = stride(from: Float(-86.98), through: 88.7, by: 0.000_173).map { $0 }
    let worst = Self.worstError(Self.exponentials(of: numbers)) { exp(Double(numbers[$0])) }
    #expect(worst < 1.5e-7)
  }

  @Test("2^x is within 1.5e-7 of the Double value over its whole range")
  func exp2IsExact() {
    let numbers = stride(from: Float(-125.4), through: 127.99, by: 0.000_173).map { $0 }
    let worst = Self.worstError(Self.powersOfTwo(of: numbers)) { exp2(Double(numbers[$0])) }
    #expect(worst < 1.5e-7)
  }

  @Test("The edges are exact: 1 at 0, 0 at the low end, infinity at the high end, NaN for NaN")
  func edges() {
    let largest = Float(88.722_83)  // e^x is the last finite float step
    let results = Self.exponentials(of: [
      0, -0.0, -.infinity, -1e30, -87.4, .infinity, 1e30, 88.73, .nan, largest,
      -.leastNonzeroMagnitude,
    ])
    #expect(results[0...1] == [1, 1])
    #expect(results[2...4] == [0, 0, 0])
    #expect(results[5...7] == [.infinity, .infinity, .infinity])
    #expect(results[8].isNaN)
    #expect(results[9].isFinite && results[9] > 3.4e38)
    #expect(results[10] == 1)
    let powers = Self.powersOfTwo(of: [0, 10, -10, -.infinity, -127, 128, .infinity, .nan, -125])
    #expect(powers[0...6] == [1, 1024, 1.0 / 1024, 0, 0, .infinity, .infinity])
    #expect(powers[7].isNaN)
    #expect(powers[8] == exp2(-125))
  }

  @Test("Between its flush limit and the smallest normal float the result is 0 or right")
  func flushesWithoutGarbage() {
    let numbers = stride(from: Float(-120), through: -86, by: 0.003_1).map { $0 }
    for (number, result) in zip(numbers, Self.exponentials(of: numbers)) {
      let exact = exp(Double(number))
      #expect(result == 0 || abs(Double(result) - exact) < 1.5e-7 * exact, "at \(number)")
      if number > -86.98 { #expect(result > 0) }
    }
  }

  @Test("Every count gives the same numbers as the whole", arguments: 0...49)
  func oddCounts(count: Int) {
    let numbers = (0..<count).map { Float($0) * 0.37 - 9 }
    let whole = Self.exponentials(of: (0..<64).map { Float($0) * 0.37 - 9 })
    #expect(Self.exponentials(of: numbers) == Array(whole[..<count]))
  }
}
