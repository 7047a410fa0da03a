import Foundation
import Records

/// What differs between two cells on the same units: mean, interval and sign test.
public struct PairedDifference: Codable, Sendable, Hashable {
  public enum Figure: String, Codable, Sendable, Hashable {
    /// Nats per scored token; positive is worse.
    case negativeLogLikelihood
    /// Of a task, in 0…1; negative is worse.
    case score
  }

  public var figure: Figure
  /// Of all paired units: per token, or per prompt.
  public var first: Double
  public var second: Double
  /// second − first.
  public var mean: Double
  /// Nil for fewer than 8 units.
  public var interval: Interval?
  public var signs: SignTest
  public var unitCount: Int
  public var sampleCount: Int
  /// Units that only one of the two has, left out.
  public var unpairedCount: Int

  /// Pairs units by sample and index; nil where no pair has the figure.
  public init?(
    of figure: Figure, from first: [ScoredUnit], to second: [ScoredUnit], seed: Int = 0
  ) {
    let pairs = Self.pairs(of: figure, first, second)
    guard !pairs.isEmpty else { return nil }
    let weight = pairs.reduce(0) { $0 + $1.weight }
    self.figure = figure
    self.first = pairs.reduce(0) { $0 + $1.first } / weight
    self.second = pairs.reduce(0) { $0 + $1.second } / weight
    mean = pairs.reduce(0) { $0 + ($1.second - $1.first) } / weight
    interval = Bootstrap(seed: seed).interval(
      of: pairs.map {
        Bootstrap.Unit(stratum: $0.sample, value: $0.second - $0.first, weight: $0.weight)
      })
    signs = SignTest(pairs.map { $0.second - $0.first })
    unitCount = pairs.count
    sampleCount = Set(pairs.map(\.sample)).count
    unpairedCount = first.count + second.count - 2 * pairs.count
  }

  /// Of the figure that the second cell has; nil without units in common.
  init?(from first: ComparisonRow, to second: ComparisonRow) {
    guard let figure = Self.figure(of: second.units) else { return nil }
    self.init(of: figure, from: first.units, to: second.units)
  }

  /// How many decimals the figure is shown with.
  var decimals: Int { figure == .score ? 3 : 4 }

  /// Of the difference and its interval.
  var format: NumberFormat { .signed(decimals) }

  /// The figure that the units of a cell have: a likelihood, or else a score.
  public static func figure(of units: [ScoredUnit]) -> Figure? {
    if units.contains(where: { $0.negativeLogLikelihood != nil }) { return .negativeLogLikelihood }
    return units.contains { $0.score != nil } ? .score : nil
  }

  /// Perplexity of the second over the first; nil for scores.
  public var perplexityRatio: Double? {
    figure == .negativeLogLikelihood ? exp(mean) : nil
  }

  public var perplexityRatioInterval: Interval? {
    figure == .negativeLogLikelihood ? interval?.map { exp($0) } : nil
  }

  /// -1 where the second is better beyond the interval, 1 where it is worse, 0 otherwise.
  public var verdict: Int {
    guard let interval else { return 0 }
    let direction = figure == .negativeLogLikelihood ? 1 : -1
    if interval.low > 0 { return direction }
    return interval.high < 0 ? -direction : 0
  }

  private struct Pair {
    var sample: Int
    var first: Double
    var second: Double
    var weight: Double
  }

  private struct Place: Hashable {
    var sample: Int
    var index: Int
    var tokens: Int
  }

  private static func pairs(
    of figure: Figure, _ first: [ScoredUnit], _ second: [ScoredUnit]
  ) -> [Pair] {
    func value(_ unit: ScoredUnit) -> Double? {
      figure == .score ? unit.score : unit.negativeLogLikelihood
    }
    var others: [Place: Double] = [:]
    for unit in second {
      others[Place(sample: unit.sample, index: unit.index, tokens: unit.tokens)] = value(unit)
    }
    return first.compactMap { unit in
      let place = Place(sample: unit.sample, index: unit.index, tokens: unit.tokens)
      guard let own = value(unit), let other = others[place], unit.tokens > 0 else { return nil }
      return Pair(
        sample: unit.sample, first: own, second: other,
        weight: figure == .score ? 1 : Double(unit.tokens))
    }
  }
}
