import Foundation
import Records

/// Median and quartiles of repeated measurements, or of their ratios.
public struct Spread: Codable, Sendable, Hashable {
  public var median: Double
  public var lowerQuartile: Double
  public var upperQuartile: Double
  public var count: Int
  /// Of a ratio, 95 %; nil for fewer than 8 repeats of a group, and for times that stand alone.
  public var interval: Interval?

  /// Nil without values.
  public init?(_ values: [Double]) {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    median = Quantile.of(sorted: sorted, at: 0.5)
    lowerQuartile = Quantile.of(sorted: sorted, at: 0.25)
    upperQuartile = Quantile.of(sorted: sorted, at: 0.75)
    count = values.count
  }

  /// Of positive ratios, one a repeat, with the interval of signed ranks over their logarithms.
  init?(ratios: [Double]) { self.init(pooling: [ratios]) }

  /// Of several groups' ratios together. Three repeats of each of five texts are no fifteen repeats: there is an interval
  /// where every group has as many as one takes.
  init?(pooling groups: [[Double]]) {
    let ratios = Array(groups.joined())
    self.init(ratios)
    guard groups.allSatisfy({ $0.count >= SignedRank.leastValues }) else { return }
    interval = SignedRank.interval(ratios.map { log($0) })?.map { exp($0) }
  }

  /// Of counted samples of equal repetitions; without those in which either is no positive time.
  static func ratios(
    of figure: TimeFigure, _ samples: [TimingSample], to others: [TimingSample]
  ) -> [Double] {
    samples.filter { !$0.isWarmup }.compactMap { sample in
      let partner = others.first { !$0.isWarmup && $0.repetition == sample.repetition }
      guard let above = figure.value(sample), let below = partner.flatMap(figure.value), above > 0,
        below > 0
      else { return nil }
      return above / below
    }
  }
}
