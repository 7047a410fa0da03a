import Foundation
import Kernels
import Records
import Testing

@Suite("Output differences")
struct OutputDifferenceTests {
  @Test("Sums over rows of any length agree with Double", arguments: [1, 7, 16, 31, 64, 65, 576])
  func sums(count: Int) {
    var generator = SeededGenerator(seed: count, purpose: "rows")
    let a = (0..<count).map { _ in Float(generator.normal()) }
    let b = (0..<count).map { _ in Float(generator.normal()) }
    let sums = OutputDifference.sums(a.span, b.span)
    func expect(_ found: Double, _ terms: (Double, Double) -> Double) {
      let wanted = zip(a, b).reduce(0) { $0 + terms(Double($1.0), Double($1.1)) }
      let scale = zip(a, b).reduce(0) { $0 + abs(terms(Double($1.0), Double($1.1))) }
      #expect(abs(found - wanted) <= 1e-6 * scale)
    }
    expect(sums.squaredDifference) { ($0 - $1) * ($0 - $1) }
    expect(sums.absoluteDifference) { abs($0 - $1) }
    expect(sums.squaredOutput) { x, _ in x * x }
    expect(sums.squaredReference) { _, y in y * y }
    expect(sums.product) { $0 * $1 }
    expect(Double(OutputDifference.absoluteSum(a.span))) { x, _ in abs(x) }
  }

  @Test("Equal rows differ by exactly nothing, and NaN is not lost")
  func edges() {
    let row: [Float] = (0..<20).map { Float($0) - 7.25 }
    let equal = OutputDifference.sums(row.span, row.span)
    #expect(equal.squaredDifference == 0 && equal.absoluteDifference == 0)
    var wrong = row
    wrong[19] = .nan
    #expect(OutputDifference.sums(wrong.span, row.span).absoluteDifference.isNaN)
    #expect(OutputDifference.divergence(of: wrong.span, from: row.span).kullbackLeibler.isNaN)
    #expect(OutputDifference.divergence(of: row.span, from: wrong.span).kullbackLeibler.isNaN)
  }

  @Test("Of equal largest logits the first counts", arguments: [3, 17, 40])
  func ties(count: Int) {
    var a = [Float](repeating: 0, count: count)
    var b = a
    a[1] = 5
    a[count - 1] = 5
    b[1] = 9
    #expect(OutputDifference.divergence(of: a.span, from: b.span).agreesOnLargest)
    b[0] = 9
    #expect(!OutputDifference.divergence(of: a.span, from: b.span).agreesOnLargest)
  }

  @Test("A shift of all logits changes no distribution")
  func shift() {
    var generator = SeededGenerator(seed: 3, purpose: "shift")
    let a = (0..<1000).map { _ in Float(Int(generator.normal() * 64)) / 16 }
    let b = a.map { $0 - 8 }
    let divergence = OutputDifference.divergence(of: a.span, from: b.span)
    #expect(divergence.kullbackLeibler == 0)
    #expect(abs(divergence.logSumExp - divergence.referenceLogSumExp - 8) < 1e-12)
  }
}
