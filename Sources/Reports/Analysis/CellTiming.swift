import Records

/// The timing groups in which one cell has counted repetitions.
struct CellTiming: Sendable {
  private let identity: String
  /// Oldest first, at least one.
  fileprivate var groups: [IndexedGroup]

  /// Of each cell, by identity.
  static func all(in results: ExperimentResults) -> [String: CellTiming] {
    let origins = Dictionary(
      results.runs.map { ($0.id, TimingOrigin($0.provenance)) }, uniquingKeysWith: { $1 })
    return results.timingGroups.reduce(into: [:]) { timings, stored in
      let group = IndexedGroup(stored, origin: origins[stored.run])
      for identity in group.byCell.keys {
        timings[identity, default: CellTiming(identity: identity, groups: [])].groups.append(group)
      }
    }
  }

  /// The newest.
  var group: IndexedGroup { groups[groups.count - 1] }

  /// The counted repetitions of that group.
  var samples: [TimingSample] { group.samples(of: identity) }

  /// Of full: its second run in each round to its first.
  func selfRatio(_ figure: TimeFigure) -> Spread? {
    Spread(ratios: Spread.ratios(of: figure, group.controls, to: samples))
  }
}

extension AnalysedRow {
  /// The newest timing group that holds both; nil where they were never timed together. A strategy that is added later is
  /// timed with full alone: full's newest group says nothing of those before it.
  func timingGroup(with other: AnalysedRow) -> IndexedGroup? {
    timing?.groups.last { $0.byCell[other.cell.identity] != nil }
  }
}

/// A timing group whose samples are found by their cell.
final class IndexedGroup: Sendable {
  /// Nil where the results lack its run.
  let origin: TimingOrigin?
  /// What other processes took of the cores meanwhile; nil where nobody looked.
  let othersShare: Double?
  let byCell: [String: [TimingSample]]
  /// The second runs of full.
  let controls: [TimingSample]
  /// Where full differs from itself beyond the interval; empty where all is well, and where there are no second runs or
  /// fewer than 8 repeats.
  let unsteady: [(name: String, ratio: Spread)]

  init(_ stored: StoredTimingGroup, origin: TimingOrigin?) {
    self.origin = origin
    othersShare = stored.group.measurements.values.joined()
      .filter { $0.name == MetricCatalogue.othersCoreShare.name }.compactMap(\.value).max()
    byCell = Dictionary(grouping: stored.group.samples.filter { !$0.isWarmup }, by: \.identity)
    controls = stored.group.controls.filter { !$0.isWarmup }
    let first = controls.first.flatMap { [byCell] in byCell[$0.identity] } ?? []
    unsteady = Self.checkedFigures.compactMap { [controls] figure, name in
      guard let ratio = Spread(ratios: Spread.ratios(of: figure, controls, to: first)),
        let interval = ratio.interval, !interval.contains(1)
      else { return nil }
      return (name, ratio)
    }
  }

  func samples(of identity: String) -> [TimingSample] { byCell[identity] ?? [] }

  /// One cell's times over another's, repetition by repetition.
  func ratios(_ figure: TimeFigure, of identity: String, to other: String) -> [Double] {
    Spread.ratios(of: figure, samples(of: identity), to: samples(of: other))
  }

  /// What claims rest on: full has to be as fast as itself in these.
  private static let checkedFigures: [(figure: TimeFigure, name: String)] = [
    (.timeToFirstToken, "first token"), (.timePerOutputToken, "next token"),
    (.decodeAttentionTime, "decode attention"),
  ]
}
