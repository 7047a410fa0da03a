import Foundation
import Records
import Testing

@testable import Probes

@Suite("Summary of dropped masses")
struct DroppedMassSummaryTests {
  /// Masses as strategies leave them, and as they never should.
  private static let shapes: [(name: String, draw: @Sendable (inout SeededGenerator) -> Double)] = [
    ("uniform", { $0.unit() }),
    ("over six powers of ten", { pow(10, -6 * $0.unit()) }),
    ("near 1", { 1 - 1e-5 * $0.unit() }),
    ("often 0", { $0.unit() < 0.94 ? 0 : $0.unit() }),
    ("few values", { Double($0.index(below: 4)) / 7 }),
    ("near 1e-4", { 1e-4 * (0.9 + 0.2 * $0.unit()) }),
  ]

  @Test(
    "Quantiles are within 0.5 % of the exact ones from 1e-4 on, and within 1e-6 below",
    arguments: shapes.indices, [1, 2, 17, 1_000, 60_000])
  func quantiles(shape: Int, count: Int) throws {
    var generator = SeededGenerator(seed: count, purpose: Self.shapes[shape].name)
    let masses = (0..<count).map { _ in Self.shapes[shape].draw(&generator) }
    var summary = DroppedMassSummary()
    for mass in masses { summary.add(mass) }
    #expect(summary.count == count)
    for fraction in [0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.999, 1] {
      let exact = try #require(masses.quantile(fraction))
      let found = try #require(summary.quantile(fraction))
      // Below 1e-6 a mass counts as 0.
      let allowed = exact >= 1e-4 ? 0.005 * exact : max(1e-6, 0.005 * exact)
      #expect(
        abs(found - exact) <= allowed,
        "\(Self.shapes[shape].name), \(fraction): \(found), exactly \(exact)")
    }
    #expect(summary.maximum == masses.map { Float($0) }.max())
    // The largest is known exactly.
    #expect(summary.quantile(1) == Double(summary.maximum))
  }

  @Test("One value, however often, is its own quantile; without values there is none")
  func oneValue() {
    #expect(DroppedMassSummary().quantile(0.95) == nil)
    for value in [0, 3e-7, 1e-4, 0.3, 1] {
      var summary = DroppedMassSummary()
      for _ in 0..<50 { summary.add(value) }
      #expect(summary.quantile(0.95) == Double(Float(value)))
    }
  }

  @Test("What is no mass does no harm: NaN counts as 0, more than 1 as 1")
  func noMasses() {
    var summary = DroppedMassSummary()
    for value in [Double.nan, -1, 2, .infinity] { summary.add(value) }
    #expect(summary.count == 4 && summary.maximum == 1)
    #expect(summary.quantile(0) == 0 && summary.quantile(1) == 1)
  }
}
