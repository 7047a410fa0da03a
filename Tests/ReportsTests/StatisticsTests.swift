import Foundation
import Records
import Testing

@testable import Reports

/// Reference values: tables of Student's t and of Wilcoxon's signed ranks, and closed forms.
@Suite("Statistics")
struct StatisticsTests {
  @Test(
    "Student's t is the tabulated one",
    arguments: [
      (1, 0.95, 12.706205), (2, 0.95, 4.302653), (3, 0.95, 3.182446), (4, 0.95, 2.776445),
      (7, 0.95, 2.364624), (9, 0.95, 2.262157), (11, 0.95, 2.200985), (30, 0.95, 2.042272),
      (100, 0.95, 1.983972), (1000, 0.95, 1.962339), (4, 0.99, 4.604095), (11, 0.99, 3.105807),
      (4, 0.999, 8.610302), (7, 0.9, 1.894579), (7, 0.5, 0.711142),
    ])
  func studentT(degrees: Int, level: Double, expected: Double) {
    let distribution = StudentT(degrees: degrees)
    #expect(abs(distribution.halfWidth(covering: level) - expected) < 6e-7)
    #expect(abs(distribution.twoSidedProbability(of: expected) - (1 - level)) < 1e-6)
    #expect(
      distribution.twoSidedProbability(of: expected)
        == distribution.twoSidedProbability(of: -expected))
  }

  @Test(
    "Shares of prompts have Clopper and Pearson's intervals: 8 of 8 is not certain",
    arguments: [
      (8, 8, 0.6305834, 1), (0, 8, 0, 0.3694166), (5, 10, 0.1870860, 0.8129140),
      (1, 4, 0.0063095, 0.8058796), (49, 50, 0.8935305, 0.9994938),
    ])
  func shares(successes: Int, count: Int, low: Double, high: Double) throws {
    let interval = SuccessShare.interval(successes, of: count)
    #expect(abs(interval.low - low) < 1e-6 && abs(interval.high - high) < 1e-6, "\(interval)")
    let units = (0..<count).map { index in
      ScoredUnit(
        sample: index, index: 0, place: 0, tokens: 1, score: index < successes ? 1 : 0)
    }
    let mean = try #require(ScoreMean(units))
    #expect(mean.value == Double(successes) / Double(count))
    #expect(mean.interval == Interval(low: interval.low, high: interval.high))
  }

  @Test(
    "Scores between 0 and 1 have Student's t, inside of 0 and 1; questions of a prompt count once")
  func partialScores() throws {
    func units(_ scores: [[Double]]) -> [ScoredUnit] {
      scores.enumerated().flatMap { sample, scores in
        scores.enumerated().map {
          ScoredUnit(sample: sample, index: $0.offset, place: 0, tokens: 1, score: $0.element)
        }
      }
    }
    let half = try #require(ScoreMean(units(Array(repeating: [0, 1], count: 8))))
    #expect(half.value == 0.5 && half.interval == Interval(low: 0.5, high: 0.5))
    let high = try #require(
      ScoreMean(units([[1], [1], [1], [1], [1], [1], [1], [0.25]]))?.interval)
    #expect(high.high == 1 && high.low < 0.9)
    #expect(ScoreMean(units([[0.5], [0.25]]))?.interval == nil)
    #expect(ScoreMean([]) == nil)
  }

  @Test(
    "McNemar's test is scipy's exact binomial test",
    arguments: [
      (0, 0, 1.0), (1, 0, 1.0), (5, 1, 0.21875), (12, 4, 0.076812744140625), (7, 7, 1.0),
      (30, 50, 0.03299261842647619), (200, 260, 0.0058839224731039984),
      (0, 20, 1.9073486328125e-06), (1500, 1400, 0.06598734966518463),
    ])
  func mcNemar(won: Int, lost: Int, expected: Double) {
    #expect(abs(ScoreTests.mcNemar(won: won, lost: lost) - expected) <= 1e-9 * expected)
    #expect(abs(ScoreTests.mcNemar(won: lost, lost: won) - expected) <= 1e-9 * expected)
    // Sign flips of differences of 1 are the same test.
    if won + lost <= ScoreTests.mostExact {
      let differences = Array(repeating: 1.0, count: won) + Array(repeating: -1, count: lost)
      #expect(abs(ScoreTests.signFlip(differences + [0, 0]) - expected) <= 1e-9)
    }
  }

  @Test(
    "Sign flips are those of all patterns, tried one by one; drawn ones are close", arguments: 0..<8
  )
  func signFlips(seed: Int) {
    var generator = SeededGenerator(seed: seed, purpose: "test")
    let values = (0..<10).map { _ in (generator.unit() - 0.3) * 2 }
    let bound = abs(values.reduce(0, +)) - 1e-9
    let reached = (0..<1024).count { pattern in
      let sum = values.enumerated().reduce(0) {
        $0 + (pattern >> $1.offset & 1 == 0 ? $1.element : -$1.element)
      }
      return abs(sum) >= bound
    }
    #expect(ScoreTests.signFlip(values) == Double(reached) / 1024)
    // With a value too small to matter more than the exact test takes: half a percent is three standard errors.
    let many = values + (0..<7).map { _ in 1e-14 }
    #expect(abs(ScoreTests.signFlip(many) - Double(reached) / 1024) < 0.011)
    #expect(ScoreTests.signFlip(many) == ScoreTests.signFlip(many))
  }

  @Test("Fourteen values' signs in any pattern add up; one value decides nothing")
  func fewFlips() {
    #expect(ScoreTests.signFlip([0.5]) == 1)
    #expect(ScoreTests.signFlip([]) == 1 && ScoreTests.signFlip([0, 0]) == 1)
    #expect(ScoreTests.signFlip(Array(repeating: 0.3, count: 6)) == 2.0 / 64)
  }

  @Test(
    "The ranks of Wilcoxon's interval are the tabulated ones",
    arguments: [(8, 4), (9, 6), (10, 9), (12, 14), (15, 26), (20, 53), (25, 90), (50, 435)])
  func signedRanks(count: Int, rank: Int) {
    #expect(SignedRank.rank(count) == rank)
  }

  @Test("The normal distribution takes over where it makes no difference")
  func manyRanks() {
    // 60 values are still counted; the place of the next follows on.
    let steps = (58...62).map(SignedRank.rank)
    #expect(zip(steps, steps.dropFirst()).allSatisfy { 22...26 ~= $1 - $0 }, "\(steps)")
  }

  @Test(
    "The interval of a ratio holds its median; one slow repeat moves one end, half of its way")
  func slowRepeat() throws {
    let ratios = [0.71, 0.69, 0.74, 0.70, 0.72, 0.68, 0.73, 0.70]
    let steady = try #require(Spread(ratios: ratios))
    let disturbed = try #require(Spread(ratios: ratios.dropLast() + [1.9]))
    for spread in [steady, disturbed] {
      #expect(try #require(spread.interval).contains(spread.median))
    }
    let (before, after) = (try #require(steady.interval), try #require(disturbed.interval))
    #expect(before.low > 0.68 && before.high < 0.74)
    #expect(after.high < (0.74 * 1.9).squareRoot() + 1e-9 && after.low >= before.low)
    #expect(Spread(ratios: Array(ratios.prefix(7)))?.interval == nil)
    #expect(Spread([]) == nil && Spread(ratios)?.interval == nil)
  }

  @Test("Median and quartiles are numpy's")
  func medians() throws {
    let spread = try #require(
      Spread([0.71, 0.69, 0.74, 0.70, 0.82, 0.68, 0.73, 0.72, 0.70, 0.95]))
    #expect(abs(spread.median - 0.715) < 1e-12)
    #expect(abs(spread.lowerQuartile - 0.7) < 1e-12)
    #expect(abs(spread.upperQuartile - 0.7375) < 1e-12)
  }

  @Test(
    "Holm multiplies the smallest by all, the next by the rest, and never turns their order around")
  func holm() {
    let corrected = Holm.corrected([0.01, 0.04, 0.03, 0.005])
    let expected = [0.03, 0.06, 0.06, 0.02]
    for (found, expected) in zip(corrected, expected) {
      #expect(abs(found.pValue - expected) < 1e-15)
    }
    // The first that is not below its share is the third in their order; the fourth is held to the same.
    let rests: [Double] = [3, 2, 2, 4]
    #expect(corrected.map(\.level) == rests.map { 1 - 0.05 / $0 })
    #expect(Holm.corrected([0.7, 0.8]).map(\.pValue) == [1, 1])
    #expect(Holm.corrected([]).isEmpty)
    #expect(Holm.corrected([0.04]) == [.init(pValue: 0.04, level: 0.95)])
  }

  @Test("A corrected interval leaves 0 out exactly where the corrected probability is at most 0.05")
  func holmIntervals() throws {
    var noise = NormalNoise(seed: 7)
    var decided = 0
    var held = 0
    for draw in 0..<400 {
      // Up to six contrasts over five texts, some with a difference and some without.
      var contrasts: [PairedDifference] = []
      for _ in 0...draw % 6 {
        let shift = 2 * noise.next()
        let texts = (0..<5).map { _ in
          PairedCluster(first: 0, second: shift + noise.next(), unitCount: 1)
        }
        contrasts.append(
          try #require(PairedDifference(.negativeLogLikelihood, texts, kind: .text)))
      }
      let pValues = try contrasts.map { try #require($0.pValue) }
      for (contrast, corrected) in zip(contrasts, Holm.corrected(pValues)) {
        let interval = try #require(contrast.interval(level: corrected.level))
        #expect(interval.contains(0) == (corrected.pValue > 0.05), "\(pValues)")
        if corrected.pValue <= 0.05 { decided += 1 } else { held += 1 }
      }
    }
    #expect(decided > 100 && held > 100)
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

  private func segment(_ sample: Int, _ index: Int, _ loss: Double, tokens: Int = 64) -> ScoredUnit
  {
    ScoredUnit(
      sample: sample, index: index, place: 0, tokens: tokens, negativeLogLikelihood: loss)
  }

  @Test(
    "Segments of a window count by their tokens, windows alike; perplexity differs by the exponential"
  )
  func perplexity() throws {
    let full = [segment(0, 0, 64), segment(0, 1, 128), segment(1, 0, 20, tokens: 20)]
    let sparse = [segment(1, 0, 30, tokens: 20), segment(0, 0, 80), segment(0, 1, 128)]
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: sparse))
    let mean = (16.0 / 128 + 10.0 / 20) / 2
    #expect(abs(difference.first - (192.0 / 128 + 20.0 / 20) / 2) < 1e-12)
    #expect(abs(difference.mean - mean) < 1e-12)
    #expect(abs(try #require(difference.perplexityRatio) - exp(mean)) < 1e-12)
    #expect(difference.interval == nil && difference.pValue == nil)
    #expect(
      (difference.unitCount, difference.clusterCount, difference.clusters) == (3, 2, "2 windows"))
    #expect((difference.up, difference.same) == (2, 0))
    #expect(difference.verdict == 0)
  }

  @Test("Only units that both have are paired")
  func unpaired() throws {
    let full = (0..<10).map { segment(0, $0, 64) }
    let sparse = (5..<12).map { segment(0, $0, 70) } + [segment(0, 3, 10, tokens: 32)]
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: sparse))
    #expect(difference.unitCount == 5)
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
            sample: index, index: 0, place: 0, tokens: 1, negativeLogLikelihood: value,
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
    #expect(difference(.negativeLogLikelihood, Array(up.prefix(7)))?.verdict == 0)
    // Six prompts that all lose are unlikely by luck, five are not.
    #expect(difference(.score, up.prefix(6).map { -$0 })?.verdict == 1)
    #expect(difference(.score, up.prefix(5).map { -$0 })?.verdict == 0)
  }

  @Test("Segments of one window are one cluster: more of them make no interval")
  func segments() throws {
    let full = (0..<64).map { segment($0 % 2, $0 / 2, 64) }
    let own = (0..<64).map { segment($0 % 2, $0 / 2, 70 + Double($0 % 5)) }
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: own))
    #expect(difference.unitCount == 64 && difference.clusterCount == 2)
    #expect(difference.interval == nil && difference.verdict == 0)
  }

  @Test("The interval is Student's t on the windows' means")
  func interval() throws {
    let changes = [0.4, -0.1, 0.9, 0.2, 0.5, 0.3, 0.8, 0.2]
    let full = changes.indices.map { segment($0, 0, 128) }
    let own = changes.enumerated().map { segment($0.offset, 0, 128 + 64 * $0.element) }
    let difference = try #require(
      PairedDifference(of: .negativeLogLikelihood, from: full, to: own))
    // Mean 0.4, standard deviation 0.329502.
    let half = 2.364624 * 0.329502 / 8.0.squareRoot()
    let interval = try #require(difference.interval)
    #expect(abs(interval.low - (0.4 - half)) < 1e-5 && abs(interval.high - (0.4 + half)) < 1e-5)
    #expect(try #require(difference.pValue) > 0.01 && difference.pValue! < 0.02)
    let corrected = try #require(difference.interval(level: 0.99))
    #expect(corrected.low < interval.low && corrected.high > interval.high)
  }

  @Test(
    "Over texts a verdict needs four of them and, of fewer than 8 windows each, the same sign in all but one"
  )
  func texts() throws {
    func difference(_ changes: [Double], windows: Int = 7) -> PairedDifference? {
      PairedDifference(
        .negativeLogLikelihood,
        changes.compactMap { change in
          PairedCluster(
            meanOf: (0..<windows).map { _ in
              PairedCluster(first: 2, second: 2 + change, unitCount: 16)
            })
        }, kind: .text)
    }
    #expect(difference([0.1, 0.11, 0.09])?.interval == nil)
    #expect(difference([0.1, 0.11, 0.09, 0.1])?.verdict == 1)
    let twoAgainst = try #require(
      difference([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -0.01, -0.01]))
    #expect(try #require(twoAgainst.interval).low > 0)
    #expect(twoAgainst.verdict == 0 && !twoAgainst.isSameInAllButOne)
    #expect(
      difference([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -0.01, -0.01], windows: 8)?.verdict == 1)
    #expect(difference([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -0.01])?.verdict == 1)
  }

  @Test("Ratios of times are formed repetition by repetition, without warm-ups")
  func ratios() throws {
    let results = ExampleResults.experiment()
    let group = IndexedGroup(results.timingGroups[0], origin: nil)
    let cells = results.rows.map(\.planned.cell.identity)
    let spread = try #require(
      Spread(ratios: group.ratios(.timeToFirstToken, of: cells[1], to: cells[0])))
    #expect(spread.count == 8)
    // 1.09 to 1.125 in steps of 0.005.
    #expect(abs(spread.median - 1.1075) < 1e-12)
    #expect(abs(spread.lowerQuartile - 1.09875) < 1e-12)
    #expect(try #require(spread.interval).contains(spread.median))
    #expect(group.ratios(.selectionTime, of: "x", to: "y").isEmpty)
  }
}
