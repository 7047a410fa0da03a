import Foundation
import Records
import Testing

@testable import Reports

/// The statistics of reports on experiments whose truth is known, 20,000 of each design.
@Suite("Coverage of intervals")
struct CoverageTests {
  typealias Design = CoverageSimulation.Design

  /// Windows of one text, segments in each.
  static let windowDesigns = [
    Design(name: "8 windows", clusters: 8, unitsPerCluster: 4, t: 2.364624),
    Design(name: "12 windows", clusters: 12, unitsPerCluster: 4, t: 2.200985),
  ]
  /// Texts, windows in each.
  static let textDesigns = [
    Design(name: "4 texts of 4 windows", clusters: 4, unitsPerCluster: 4, t: 3.182446),
    Design(name: "5 texts of 1 window", clusters: 5, unitsPerCluster: 1, t: 2.776445),
    Design(name: "5 texts of 12 windows", clusters: 5, unitsPerCluster: 12, t: 2.776445),
    Design(name: "12 texts of 8 windows", clusters: 12, unitsPerCluster: 8, t: 2.200985),
  ]

  /// As the units of a cell, against a full that loses 2 nats in each.
  private static func cell(_ clusters: [[Double]]) -> (full: [ScoredUnit], own: [ScoredUnit]) {
    func units(_ value: (Double) -> Double) -> [ScoredUnit] {
      clusters.enumerated().flatMap { sample, units in
        units.enumerated().map { index, difference in
          ScoredUnit(
            sample: sample, index: index, place: 0, tokens: 64,
            negativeLogLikelihood: 64 * value(difference))
        }
      }
    }
    return (units { _ in 2 }, units { 2 + $0 })
  }

  private static func answer(_ difference: PairedDifference?) -> CoverageSimulation.Answer? {
    guard let difference, let interval = difference.interval else { return nil }
    return .init(interval: interval, verdict: difference.verdict)
  }

  static let overWindows: CoverageSimulation.Method = { clusters, _ in
    let (full, own) = cell(clusters)
    return answer(PairedDifference(of: .negativeLogLikelihood, from: full, to: own))
  }

  /// A cluster is a text; its units are windows of one segment.
  static let overTexts: CoverageSimulation.Method = { clusters, _ in
    let texts = clusters.compactMap { text in
      PairedCluster(meanOf: text.map { PairedCluster(first: 2, second: 2 + $0, unitCount: 16) })
    }
    return answer(PairedDifference(.negativeLogLikelihood, texts, kind: .text))
  }

  /// A cluster is a repeat with the logarithm of its ratio.
  static let overRepeats: CoverageSimulation.Method = { clusters, _ in
    guard
      let interval = Spread(ratios: clusters.map { exp($0[0]) })?.interval.map({
        Interval(low: log($0.low), high: log($0.high))
      })
    else { return nil }
    return .init(interval: interval, verdict: interval.high < 0 ? -1 : interval.low > 0 ? 1 : 0)
  }

  private func expectKept(
    _ design: Design, _ correlation: Double, _ method: CoverageSimulation.Method
  ) {
    // Single units are like no other.
    if design.unitsPerCluster == 1 && correlation > 0 { return }
    let outcome = CoverageSimulation(design: design, correlation: correlation)
      .outcome(of: method)
    print("\(design.name), correlation \(correlation): \(outcome)")
    let shortfalls = outcome.shortfalls(correlation: correlation, clusters: design.clusters)
    #expect(shortfalls.isEmpty, "\(design.name), \(correlation): \(outcome)")
  }

  @Test("Over windows", arguments: windowDesigns, [0, 0.1])
  func windows(design: Design, correlation: Double) {
    expectKept(design, correlation, Self.overWindows)
  }

  @Test("Over texts", arguments: textDesigns, [0, 0.1])
  func texts(design: Design, correlation: Double) {
    expectKept(design, correlation, Self.overTexts)
  }

  @Test("Over repeats", arguments: [8, 12])
  func repeats(count: Int) {
    let t = count == 8 ? 2.364624 : 2.200985
    expectKept(
      Design(name: "\(count) repeats", clusters: count, unitsPerCluster: 1, t: t), 0,
      Self.overRepeats)
  }

  @Test("The former bootstrap of segments fails it", arguments: [0, 0.1])
  func formerBootstrap(correlation: Double) {
    let design = Self.windowDesigns[1]
    let outcome = CoverageSimulation(design: design, correlation: correlation, draws: 1000)
      .outcome { clusters, draw in
        let units = clusters.enumerated().flatMap { stratum, values in
          values.map { FormerBootstrap.Unit(stratum: stratum, value: $0) }
        }
        return FormerBootstrap(seed: draw).interval(of: units).map {
          .init(interval: $0, verdict: $0.low > 0 ? 1 : $0.high < 0 ? -1 : 0)
        }
      }
    print("former bootstrap, \(design.name), correlation \(correlation): \(outcome)")
    let shortfalls = outcome.shortfalls(correlation: correlation, clusters: design.clusters)
    #expect(
      shortfalls.contains("coverage") && shortfalls.contains("verdicts without a difference"),
      "\(outcome)")
  }

  @Test("Five skewed texts are covered as often as docs/measurement.md says")
  func skewed() throws {
    let sigma = 0.8
    var noise = NormalNoise(seed: 7)
    let truth = exp(sigma * sigma / 2)
    let draws = 20_000
    var covered = 0
    for _ in 0..<draws {
      let texts = (0..<5).map { _ in [exp(sigma * noise.next())] }
      if Self.overTexts(texts, 0)?.interval.contains(truth) == true { covered += 1 }
    }
    let share = String(format: "%.0f %%", 100 * Double(covered) / Double(draws))
    print("five log-normal texts, sigma 0.8: coverage \(share)")
    let page = try String(
      contentsOf: URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("docs/measurement.md"), encoding: .utf8)
    #expect(page.contains("log-normal, σ 0.8") && page.contains("covers \(share)"))
  }

  @Test(
    "Prompts without a difference get a verdict in at most 6 % of all cases", arguments: [2, 5])
  func scores(levels: Int) {
    var generator = SeededGenerator(seed: 7, purpose: "scores")
    let draws = 4000
    var wrong = 0
    for _ in 0..<draws {
      func units() -> [ScoredUnit] {
        (0..<12).map { index in
          ScoredUnit(
            sample: index, index: 0, place: 0, tokens: 1,
            score: Double(generator.index(below: levels)) / Double(levels - 1))
        }
      }
      let (full, own) = (units(), units())
      if PairedDifference(of: .score, from: full, to: own)?.verdict != 0 { wrong += 1 }
    }
    #expect(Double(wrong) / Double(draws) <= 0.06)
  }
}
