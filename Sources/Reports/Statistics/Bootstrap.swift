import Records

/// Percentile bootstrap of a weighted mean over units, drawn with replacement inside each stratum.
///
/// Each draw takes as many units from a stratum as it has and gives Σ value / Σ weight; the
/// interval is from the 2.5 % to the 97.5 % quantile of the draws. Strata of a single unit, which
/// would not vary, are drawn from together. The same seed and units give the same interval on every
/// machine.
public struct Bootstrap: Sendable, Hashable {
  /// Draws behind an interval.
  public static let draws = 10_000
  /// With fewer units there is no interval.
  public static let leastUnits = 8

  public struct Unit: Sendable, Hashable {
    public var stratum: Int
    public var value: Double
    public var weight = 1.0
  }

  public var seed = 0

  /// Nil for fewer than ``leastUnits`` units, or without weight.
  public func interval(of units: [Unit]) -> Interval? {
    guard units.count >= Self.leastUnits, units.allSatisfy({ $0.weight > 0 }) else { return nil }
    let (ordered, strata) = Self.arranged(units)
    var generator = SeededGenerator(seed: seed, purpose: "bootstrap")
    var means: [Double] = []
    means.reserveCapacity(Self.draws)
    for _ in 0..<Self.draws {
      var value = 0.0
      var weight = 0.0
      for stratum in strata {
        for _ in stratum {
          let unit = ordered[stratum.lowerBound + generator.index(below: stratum.count)]
          value += unit.value
          weight += unit.weight
        }
      }
      means.append(value / weight)
    }
    return Self.middle(of: means)
  }

  /// Of the median of values without weights or strata; nil for fewer than ``leastUnits``.
  public func interval(ofMedian values: [Double]) -> Interval? {
    guard values.count >= Self.leastUnits else { return nil }
    var generator = SeededGenerator(seed: seed, purpose: "bootstrap")
    var draw = values
    var medians: [Double] = []
    medians.reserveCapacity(Self.draws)
    for _ in 0..<Self.draws {
      for index in draw.indices { draw[index] = values[generator.index(below: values.count)] }
      draw.sort()
      medians.append(Quantile.of(sorted: draw, at: 0.5))
    }
    return Self.middle(of: medians)
  }

  private static func middle(of draws: [Double]) -> Interval {
    let sorted = draws.sorted()
    return Interval(
      low: Quantile.of(sorted: sorted, at: 0.025), high: Quantile.of(sorted: sorted, at: 0.975))
  }

  /// The units stratum by stratum, and where each lies; strata of one unit together at the end.
  private static func arranged(_ units: [Unit]) -> ([Unit], [Range<Int>]) {
    let groups = Dictionary(grouping: units, by: \.stratum).sorted { $0.key < $1.key }
      .map(\.value)
    var ordered: [Unit] = []
    var strata: [Range<Int>] = []
    for group in groups.filter({ $0.count > 1 }) + [groups.filter { $0.count == 1 }.flatMap(\.self)]
    where !group.isEmpty {
      strata.append(ordered.count..<ordered.count + group.count)
      ordered += group
    }
    return (ordered, strata)
  }
}
