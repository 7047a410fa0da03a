import Foundation
import Testing

@testable import Reports

@Suite("Power fits")
struct PowerFitTests {
  @Test("A power is found exactly", arguments: [-1.0, 0, 0.5, 1, 2])
  func exact(exponent: Double) throws {
    let points = [512.0, 1024, 4096, 131_072].map { (x: $0, y: 3e-7 * pow($0, exponent)) }
    let fit = try #require(PowerFit(points))
    #expect(abs(fit.exponent - exponent) < 1e-12 && fit.count == 4)
    #expect(fit.standardError < 1e-7 && fit.spread < 1e-7)
  }

  @Test("The standard error and the spread are those of a least-squares line")
  func noisy() throws {
    // ln y − 2 ln x is 0.1, −0.2, 0.1 at ln x = 0, 1, 2: slope 2, residual squares 0.06, one degree of freedom.
    let points = zip([0.0, 1, 2], [0.1, -0.2, 0.1]).map { (x: exp($0), y: exp(2 * $0 + $1)) }
    let fit = try #require(PowerFit(points))
    #expect(abs(fit.exponent - 2) < 1e-12)
    #expect(abs(fit.standardError - (0.06 / 2).squareRoot()) < 1e-12)
    #expect(abs(fit.spread - (exp(0.02.squareRoot()) - 1)) < 1e-12)
  }

  @Test("Too few points, no range and nothing positive have no fit")
  func none() {
    #expect(PowerFit([(1, 1), (2, 2)]) == nil)
    #expect(PowerFit([(1, 1), (2, 2), (3, 0), (0, 3), (.infinity, 1), (4, .nan)]) == nil)
    #expect(PowerFit([(2, 1), (2, 2), (2, 3)]) == nil)
  }
}
