import Foundation
import Records

/// What differs between two strategies on the same clusters: the mean, an interval or a probability, and what they
/// generalise over.
///
/// A *cluster* is what was drawn: segments of a window, and windows of a text, are like each other, so they count as
/// one. All clusters weigh alike. For likelihoods the interval is Student's t on the clusters' differences; for scores
/// an exact test says whether prompts differ.
public struct PairedDifference: Codable, Sendable, Hashable {
  public enum Figure: String, Codable, Sendable, Hashable {
    /// Nats per scored token; positive is worse.
    case negativeLogLikelihood
    /// Of a task, in 0…1; negative is worse.
    case score
  }

  /// What one of the independent values is, and so what a conclusion holds for: other windows of this text, other
  /// texts, other prompts.
  public enum ClusterKind: String, Codable, Sendable, Hashable {
    case window, text, prompt

    /// With fewer clusters there is no interval; prompts have an exact test instead.
    var least: Int {
      switch self {
      case .window: 8
      case .text: 4
      case .prompt: .max
      }
    }
  }

  public var figure: Figure
  public var clusterKind: ClusterKind
  public var clusterCount: Int
  /// Means over the clusters: per token, or per prompt.
  public var first: Double
  public var second: Double
  /// second − first.
  public var mean: Double
  /// Of the mean; nil for fewer than 8 windows, for fewer than 4 texts, and for prompts.
  public var standardError: Double?
  /// How likely a mean at least as far from 0 is without a true difference, on either side: Student's t; for scores
  /// McNemar's exact test, or sign flips where scores are not 0 or 1. Nil where there is neither.
  public var pValue: Double?
  /// Clusters whose difference is above 0, below it, and 0.
  public var up: Int
  public var down: Int
  public var same: Int
  public var unitCount: Int
  /// Windows of the text that has the fewest; nil unless clusters are texts.
  public var leastWindows: Int?

  /// From clusters with a value on both sides; nil without any.
  init?(_ figure: Figure, _ clusters: [PairedCluster], kind: ClusterKind) {
    guard !clusters.isEmpty else { return nil }
    let count = Double(clusters.count)
    let differences = clusters.map { $0.second - $0.first }
    let mean = differences.reduce(0, +) / count
    self.figure = figure
    clusterKind = kind
    clusterCount = clusters.count
    first = clusters.reduce(0) { $0 + $1.first } / count
    second = clusters.reduce(0) { $0 + $1.second } / count
    self.mean = mean
    up = differences.count { $0 > 0 }
    down = differences.count { $0 < 0 }
    same = clusters.count - up - down
    unitCount = clusters.reduce(0) { $0 + $1.unitCount }
    leastWindows = kind == .text ? clusters.map(\.windowCount).min() : nil
    if figure == .score {
      let isSolvedOrNot = clusters.allSatisfy { $0.first.isZeroOrOne && $0.second.isZeroOrOne }
      pValue =
        isSolvedOrNot
        ? ScoreTests.mcNemar(won: up, lost: down) : ScoreTests.signFlip(differences)
    } else if clusters.count >= kind.least {
      let error = MeanError(of: differences, around: mean)
      standardError = error.value
      pValue = mean == 0 ? 1 : error.distribution.twoSidedProbability(of: mean / error.value)
    }
  }

  /// Of two cells: a cluster is a window, or a prompt. Nil where no units are in common.
  public init?(of figure: Figure, from first: [ScoredUnit], to second: [ScoredUnit]) {
    self.init(
      figure, PairedCluster.all(of: figure, from: first, to: second),
      kind: figure == .score ? .prompt : .window)
  }

  /// Of the same cells of two strategies, one a text or a task: for likelihoods each text is a cluster; prompts stay
  /// prompts. Nil unless each text, or one of the tasks, has units in common.
  init?(from first: [AnalysedRow], to second: [AnalysedRow]) {
    guard let figure = second.first.flatMap({ Self.figure(of: $0.row.units) }) else { return nil }
    let cells = zip(first, second).map { first, second in
      first.clusters?.paired(with: second.clusters, of: figure)
        ?? PairedCluster.all(of: figure, from: first.row.units, to: second.row.units)
    }
    if figure == .score || cells.count == 1 {
      self.init(figure, Array(cells.joined()), kind: figure == .score ? .prompt : .window)
    } else {
      let texts = cells.compactMap(PairedCluster.init(meanOf:))
      guard texts.count == cells.count else { return nil }
      self.init(figure, texts, kind: .text)
    }
  }

  /// Of the figure that the second cell has; nil without units in common.
  init?(from first: ComparisonRow, to second: ComparisonRow) {
    guard let figure = Self.figure(of: second.units) else { return nil }
    self.init(of: figure, from: first.units, to: second.units)
  }

  /// The figure that the units of a cell have: a likelihood, or else a score.
  public static func figure(of units: [ScoredUnit]) -> Figure? {
    if units.contains(where: { $0.negativeLogLikelihood != nil }) { return .negativeLogLikelihood }
    return units.contains { $0.score != nil } ? .score : nil
  }
}

// MARK: - What it says

extension PairedDifference {
  /// 95 %; nil without a standard error.
  public var interval: Interval? { interval(level: 0.95) }

  func interval(level: Double) -> Interval? {
    standardError.map {
      MeanError($0, valueCount: clusterCount).interval(around: mean, level: level)
    }
  }

  /// Perplexity of the second over the first; nil for scores.
  public var perplexityRatio: Double? {
    figure == .negativeLogLikelihood ? exp(mean) : nil
  }

  public var perplexityRatioInterval: Interval? { interval?.map { exp($0) } }

  /// -1 where the second is better, 1 where it is worse, 0 where that is not decided.
  public var verdict: Int { verdict(pValue: pValue) }

  /// By a corrected probability. Texts of fewer than 8 windows are known but roughly: there the sign has to be the same in
  /// all of them but one as well.
  func verdict(pValue: Double?) -> Int {
    guard let pValue, pValue <= 0.05, mean != 0 else { return 0 }
    if let leastWindows, leastWindows < ClusterKind.window.least, !isSameInAllButOne { return 0 }
    return (mean > 0) == (figure == .negativeLogLikelihood) ? 1 : -1
  }

  /// Whether no more than one cluster goes against the rest.
  var isSameInAllButOne: Bool { max(up, down) >= clusterCount - 1 }

  /// How many decimals the figure is shown with.
  var decimals: Int { figure == .score ? 3 : 4 }

  /// Of the difference and its interval.
  var format: NumberFormat { .signed(decimals) }

  /// `12 windows`, `1 text`
  var clusters: String {
    NumberFormat.counted(clusterCount, clusterKind.rawValue)
  }
}

/// What two strategies gave on one cluster.
struct PairedCluster: Hashable {
  /// Per token, or per prompt.
  var first: Double
  var second: Double
  var unitCount: Int
  /// Of a text.
  var windowCount = 1

  /// Each cluster weighs alike; nil without any.
  init?(meanOf clusters: [PairedCluster]) {
    guard !clusters.isEmpty else { return nil }
    let count = Double(clusters.count)
    self.init(
      first: clusters.reduce(0) { $0 + $1.first } / count,
      second: clusters.reduce(0) { $0 + $1.second } / count,
      unitCount: clusters.reduce(0) { $0 + $1.unitCount }, windowCount: clusters.count)
  }

  init(first: Double, second: Double, unitCount: Int, windowCount: Int = 1) {
    self.first = first
    self.second = second
    self.unitCount = unitCount
    self.windowCount = windowCount
  }

  /// One for each sample (a window or a prompt) in which the two have units in common, over these units.
  static func all(
    of figure: PairedDifference.Figure, from first: [ScoredUnit], to second: [ScoredUnit]
  ) -> [PairedCluster] {
    var partners = Partners(second)
    var places: [Int: Int] = [:]
    var sums: [(sample: Int, first: Double, second: Double, weight: Double, units: Int)] = []
    for (index, unit) in first.enumerated() {
      guard let own = unit.value(of: figure), unit.tokens > 0,
        let other = partners.partner(of: unit, at: index)?.value(of: figure)
      else { continue }
      // Units mostly come sample by sample.
      var place = sums.count - 1
      if sums.last?.sample != unit.sample {
        place = places[unit.sample] ?? sums.count
        if place == sums.count { sums.append((unit.sample, 0, 0, 0, 0)) }
        places[unit.sample] = place
      }
      sums[place].first += own
      sums[place].second += other
      sums[place].weight += figure == .score ? 1 : Double(unit.tokens)
      sums[place].units += 1
    }
    return sums.map {
      PairedCluster(
        first: $0.first / $0.weight, second: $0.second / $0.weight, unitCount: $0.units)
    }
  }
}

/// The units of one side, found by sample, index and size: at the same place as on the other side, or else by search.
private struct Partners {
  private let units: [ScoredUnit]
  private lazy var places = Dictionary(
    units.enumerated().map { (Place($0.element), $0.offset) }, uniquingKeysWith: { $1 })

  init(_ units: [ScoredUnit]) { self.units = units }

  mutating func partner(of unit: ScoredUnit, at index: Int) -> ScoredUnit? {
    let place = Place(unit)
    if index < units.count, Place(units[index]) == place { return units[index] }
    return places[place].map { units[$0] }
  }

  private struct Place: Hashable {
    var sample: Int
    var index: Int
    var tokens: Int

    init(_ unit: ScoredUnit) {
      sample = unit.sample
      index = unit.index
      tokens = unit.tokens
    }
  }
}

extension ScoredUnit {
  func value(of figure: PairedDifference.Figure) -> Double? {
    figure == .score ? score : negativeLogLikelihood
  }
}

extension Double {
  var isZeroOrOne: Bool { self == 0 || self == 1 }
}
