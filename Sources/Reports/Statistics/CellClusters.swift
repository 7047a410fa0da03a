import Records

/// The windows or prompts of a cell with their sums, worked out once: strategies are compared in pairs, and there are many.
struct CellClusters: Sendable {
  private struct Sum {
    var value: Double
    var weight: Double
    var unitCount: Int
  }

  private let figure: PairedDifference.Figure
  /// Sample, index and tokens of each unit, one after the other.
  private var places: [Int] = []
  private var sums: [Sum] = []

  /// Nil where a unit lacks the figure, or where the units of a sample do not stand together.
  init?(_ units: [ScoredUnit]) {
    guard let figure = PairedDifference.figure(of: units) else { return nil }
    self.figure = figure
    places.reserveCapacity(3 * units.count)
    var samples: Set<Int> = []
    for unit in units {
      guard let value = unit.value(of: figure), unit.tokens > 0 else { return nil }
      if places.isEmpty || places[places.count - 3] != unit.sample {
        guard samples.insert(unit.sample).inserted else { return nil }
        sums.append(Sum(value: 0, weight: 0, unitCount: 0))
      }
      places += [unit.sample, unit.index, unit.tokens]
      sums[sums.count - 1].value += value
      sums[sums.count - 1].weight += figure == .score ? 1 : Double(unit.tokens)
      sums[sums.count - 1].unitCount += 1
    }
  }

  /// Nil unless both have the same units in the same order; then they have to be paired one by one.
  func paired(
    with other: CellClusters?, of figure: PairedDifference.Figure
  ) -> [PairedCluster]? {
    guard let other, other.figure == figure, self.figure == figure, other.places == places else {
      return nil
    }
    return zip(sums, other.sums).map {
      PairedCluster(
        first: $0.value / $0.weight, second: $1.value / $1.weight, unitCount: $0.unitCount)
    }
  }
}
