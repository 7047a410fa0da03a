import Foundation
import Records
import Testing

@testable import Reports

/// Reference values: numpy 2.4 and scipy 1.17, bootstrap distributions of two million draws (one million for the median)
/// with numpy's own generator.
@Suite("Statistics")
struct StatisticsTests {
  @Test(
    "The sign test is scipy's exact binomial test",
    arguments: [
      (0, 0, 1.0), (1, 0, 1.0), (5, 1, 0.21875), (12, 4, 0.076812744140625), (7, 7, 1.0),
      (30, 50, 0.03299261842647619), (200, 260, 0.0058839224731039984),
      (0, 20, 1.9073486328125e-06), (1500, 1400, 0.06598734966518463),
    ])
  func signTest(up: Int, down: Int, expected: Double) {
    #expect(abs(SignTest(up: up, down: down).pValue - expected) <= 1e-9 * expected)
    #expect(SignTest(up: down, down: up).pValue == SignTest(up: up, down: down).pValue)
  }

  @Test("Signs count ties apart")
  func ties() {
    let test = SignTest([1, -2, 0, 3, 0])
    #expect((test.up, test.down, test.ties) == (2, 1, 2))
  }

  @Test("Quantiles are numpy's")
  func quantiles() {
    let values: [Double] = [1, 2, 4, 8, 16]
    for (fraction, expected) in [(0, 1), (0.025, 1.1), (0.25, 2), (0.5, 4), (0.9, 12.8), (1, 16)] {
      #expect(abs(Quantile.of(sorted: values, at: fraction) - expected) < 1e-12)
    }
    #expect([5.0].quantile(0.3) == 5 && [Double]().quantile(0.3) == nil)
    #expect([4.0, 1, 3, 2].quantile(0.25) == 1.75)
  }

  /// Three samples of 8, 6 and 6 units, two of them short.
  static let units: [Bootstrap.Unit] = {
    let values = [
      3.2, -1.1, 4.7, 0.6, 2.9, -0.4, 5.1, 1.8, 8.4, 6.1, 7.7, 9.3, 5.5, 6.6, -2.2, -1.5, 0.3, -3.1,
      -0.9, -1.8,
    ]
    return values.enumerated().map { index, value in
      Bootstrap.Unit(
        stratum: index < 8 ? 0 : index < 14 ? 1 : 2, value: value,
        weight: index == 7 ? 40 : index == 13 ? 17 : 64)
    }
  }()

  /// An end of an interval from 10,000 draws strays by about 0.03 standard errors; four times that is allowed.
  private func expect(
    _ interval: Interval?, _ low: Double, _ high: Double, standardError: Double
  ) throws {
    let interval = try #require(interval)
    #expect(abs(interval.low - low) < 0.12 * standardError, "\(interval.low)")
    #expect(abs(interval.high - high) < 0.12 * standardError, "\(interval.high)")
  }

  @Test("The stratified bootstrap of a weighted mean agrees with numpy's", arguments: 0..<4)
  func stratified(seed: Int) throws {
    try expect(
      Bootstrap(seed: seed).interval(of: Self.units), 0.03041401, 0.05426357,
      standardError: 0.00611235)
  }

  @Test("Without strata, or with one unit in each, all units are drawn from together")
  func pooled() throws {
    for stratum in [{ (_: Int) in 0 }, { $0 }] {
      let units = Self.units.enumerated().map { index, unit in
        Bootstrap.Unit(stratum: stratum(index), value: unit.value, weight: unit.weight)
      }
      try expect(
        Bootstrap().interval(of: units), 0.01488854, 0.07194492, standardError: 0.01458715)
    }
  }

  @Test("Median and quartiles are numpy's, and the bootstrap of the median agrees")
  func medians() throws {
    let values = [0.71, 0.69, 0.74, 0.70, 0.82, 0.68, 0.73, 0.72, 0.70, 0.95]
    let spread = try #require(Spread(values))
    #expect(abs(spread.median - 0.715) < 1e-12)
    #expect(abs(spread.lowerQuartile - 0.7) < 1e-12)
    #expect(abs(spread.upperQuartile - 0.7375) < 1e-12)
    let interval = try #require(spread.interval)
    #expect(abs(interval.low - 0.695) < 1e-9)
    #expect(abs(interval.high - 0.775) < 0.01)
  }

  @Test("Fewer than eight units give no interval, eight do")
  func fewUnits() {
    #expect(Bootstrap().interval(of: Array(Self.units.prefix(7))) == nil)
    #expect(Bootstrap().interval(of: Array(Self.units.prefix(8))) != nil)
    #expect(Bootstrap().interval(of: []) == nil)
    #expect(Spread([1, 2, 3])?.interval == nil)
    #expect(Spread([]) == nil)
  }

  @Test("The same seed gives the same interval, another seed nearly the same", arguments: 0..<8)
  func seeds(seed: Int) throws {
    let first = try #require(Bootstrap(seed: seed).interval(of: Self.units))
    #expect(first == Bootstrap(seed: seed).interval(of: Self.units))
    #expect(first != Bootstrap(seed: seed + 1).interval(of: Self.units))
  }

  @Test(
    "An interval contains the mean and has a width",
    arguments: 0..<16)
  func containsMean(seed: Int) throws {
    var generator = SeededGenerator(seed: seed, purpose: "test")
    let count = 8 + generator.index(below: 60)
    let units = (0..<count).map { index in
      Bootstrap.Unit(
        stratum: index % (1 + seed % 5), value: generator.unit() * 10 - 4,
        weight: 1 + Double(generator.index(below: 64)))
    }
    let mean =
      units.reduce(0) { $0 + $1.value } / units.reduce(0) { $0 + $1.weight }
    let interval = try #require(Bootstrap(seed: seed).interval(of: units))
    #expect(interval.contains(mean))
    #expect(interval.low < interval.high)
  }

  private func segment(_ sample: Int, _ index: Int, _ loss: Double, tokens: Int = 64) -> ScoredUnit
  {
    ScoredUnit(
      sample: sample, index: index, place: 0, tokens: tokens, negativeLogLikelihood: loss)
  }

  @Test("Perplexity differs by the exponential of the token-weighted difference")
  func perplexity() throws {
    let full = [segment(0, 0, 64), segment(0, 1, 128), segment(1, 0, 20, tokens: 20)]
    let sparse = [segment(1, 0, 30, tokens: 20), segment(0, 0, 80), segment(0, 1, 128)]
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: sparse))
    #expect(abs(difference.first - 212.0 / 148) < 1e-12)
    #expect(abs(difference.mean - 26.0 / 148) < 1e-12)
    #expect(abs(try #require(difference.perplexityRatio) - exp(26.0 / 148)) < 1e-12)
    #expect(difference.interval == nil)
    #expect((difference.unitCount, difference.sampleCount) == (3, 2))
    #expect((difference.signs.up, difference.signs.ties) == (2, 1))
    #expect(difference.verdict == 0)
  }

  @Test("Only units that both have are paired; the others are counted")
  func unpaired() throws {
    let full = (0..<10).map { segment(0, $0, 64) }
    let sparse = (5..<12).map { segment(0, $0, 70) } + [segment(0, 3, 10, tokens: 32)]
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: sparse))
    #expect(difference.unitCount == 5)
    #expect(difference.unpairedCount == 8)
    #expect(abs(difference.mean - 6.0 / 64) < 1e-12)
    #expect(PairedDifference(of: .negativeLogLikelihood, from: full, to: []) == nil)
    #expect(PairedDifference(of: .score, from: full, to: sparse) == nil)
  }

  @Test("A verdict needs an interval on one side of zero, and knows which side is better")
  func verdicts() throws {
    func difference(_ figure: PairedDifference.Figure, _ changes: [Double]) -> PairedDifference? {
      func units(_ values: [Double]) -> [ScoredUnit] {
        values.enumerated().map { index, value in
          ScoredUnit(
            sample: 0, index: index, place: 0, tokens: 1, negativeLogLikelihood: value,
            score: value)
        }
      }
      return PairedDifference(
        of: figure, from: units(changes.map { _ in 0.5 }), to: units(changes.map { 0.5 + $0 }))
    }
    let up = (0..<12).map { 0.1 + Double($0) / 100 }
    #expect(difference(.negativeLogLikelihood, up)?.verdict == 1)
    #expect(difference(.score, up)?.verdict == -1)
    #expect(difference(.negativeLogLikelihood, up.map { -$0 })?.verdict == -1)
    #expect(difference(.score, up.map { -$0 })?.verdict == 1)
    #expect(difference(.score, (0..<12).map { $0 % 2 == 0 ? 0.1 : -0.1 })?.verdict == 0)
    #expect(difference(.score, Array(up.prefix(7)))?.verdict == 0)
  }

  @Test("Ratios of times are formed repetition by repetition, without warm-ups")
  func ratios() throws {
    let results = ExampleResults.experiment()
    let group = results.timingGroups[0].group
    let spread = try #require(
      Spread(
        ratioOf: .timeToFirstToken, of: results.rows[1].planned.cell.identity,
        to: results.rows[0].planned.cell.identity, in: group))
    #expect(spread.count == 3)
    #expect(abs(spread.median - 1.095) < 1e-12)
    #expect(abs(spread.minimum - 1.09) < 1e-12)
    #expect(abs(spread.lowerQuartile - 1.0925) < 1e-12)
    #expect(
      Spread(ratioOf: .selectionTime, of: "x", to: "y", in: group) == nil)
  }
}
