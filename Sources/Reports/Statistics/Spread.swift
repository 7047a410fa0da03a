import Records

/// Median and quartiles of repeated measurements, or of their ratios.
public struct Spread: Codable, Sendable, Hashable {
  public var median: Double
  public var lowerQuartile: Double
  public var upperQuartile: Double
  public var minimum: Double
  public var maximum: Double
  public var count: Int
  /// Of the median; nil for fewer than 8 values.
  public var interval: Interval?

  /// Nil without values.
  public init?(_ values: [Double], seed: Int = 0) {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    median = Quantile.of(sorted: sorted, at: 0.5)
    lowerQuartile = Quantile.of(sorted: sorted, at: 0.25)
    upperQuartile = Quantile.of(sorted: sorted, at: 0.75)
    minimum = sorted[0]
    maximum = sorted[sorted.count - 1]
    count = values.count
    interval = Bootstrap(seed: seed).interval(ofMedian: values)
  }

  /// A figure of a cell over the counted repetitions of a group.
  public init?(_ figure: TimeFigure, of identity: String, in group: TimingGroup) {
    self.init(
      group.samples.filter { $0.identity == identity && !$0.isWarmup }
        .compactMap(figure.value))
  }

  /// The ratios of one cell to another inside a group, repetition by repetition.
  public init?(
    ratioOf figure: TimeFigure, of identity: String, to other: String, in group: TimingGroup
  ) {
    let counted = group.samples.filter { !$0.isWarmup }
    self.init(
      counted.filter { $0.identity == identity }.compactMap { sample in
        let partner = counted.first {
          $0.identity == other && $0.repetition == sample.repetition
        }
        guard
          let above = figure.value(sample), let below = partner.flatMap(figure.value), below > 0
        else { return nil }
        return above / below
      })
  }

  /// What a claim may rest on: the interval, or with too few repeats all that was seen.
  public var range: Interval { interval ?? Interval(low: minimum, high: maximum) }
}
