import Records

/// One cell's counted repetitions in a timing group, and the group.
struct CellTiming: Sendable {
  let group: IndexedGroup
  let samples: [TimingSample]

  /// Of each cell, by identity, in the newest group in which it has counted samples.
  static func newest(in results: ExperimentResults) -> [String: CellTiming] {
    let origins = Dictionary(
      results.runs.map { ($0.id, TimingOrigin($0.provenance)) }, uniquingKeysWith: { $1 })
    let groups = results.timingGroups.map { IndexedGroup($0, origin: origins[$0.run]) }
    return groups.reduce(into: [:]) { timings, group in
      for (identity, samples) in group.byCell {
        timings[identity] = CellTiming(group: group, samples: samples)
      }
    }
  }

  /// To another cell's of the same group, repetition by repetition.
  func ratio(_ figure: TimeFigure, to others: [TimingSample]) -> Spread? {
    Spread(ratios: Spread.ratios(of: figure, samples, to: others))
  }

  /// Of full: its second run in each round to its first.
  func selfRatio(_ figure: TimeFigure) -> Spread? {
    Spread(ratios: Spread.ratios(of: figure, group.controls, to: samples))
  }
}

/// A timing group whose samples are found by their cell.
final class IndexedGroup: Sendable {
  let id: Int64
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
    id = stored.id
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

  /// What claims rest on: full has to be as fast as itself in these.
  private static let checkedFigures: [(figure: TimeFigure, name: String)] = [
    (.timeToFirstToken, "first token"), (.timePerOutputToken, "next token"),
    (.decodeAttentionTime, "decode attention"),
  ]
}
