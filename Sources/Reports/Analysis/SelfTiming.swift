import Records

/// Whether `full`, timed against itself, is as fast as itself: what a timing group has to show before its ratios are
/// believed.
extension TimingGroup {
  /// The figures whose claims rest on it.
  static let checkedFigures: [(figure: TimeFigure, name: String)] = [
    (.timeToFirstToken, "first token"), (.timePerOutputToken, "next token"),
    (.decodeAttentionTime, "decode attention"),
  ]

  /// The ratios of the second runs to the first whose interval leaves 1 out; empty where all is well, and where there
  /// are no second runs or fewer than 8 repeats.
  var unsteadyRatios: [(name: String, ratio: Spread)] {
    guard let full = controls.first?.identity else { return [] }
    return Self.checkedFigures.compactMap { figure, name in
      guard let ratio = Spread(selfRatioOf: figure, of: full, in: self),
        let interval = ratio.interval, !interval.contains(1)
      else { return nil }
      return (name, ratio)
    }
  }
}

extension ExperimentAnalysis {
  /// One flag for each group in which full differs from itself.
  var unsteadyGroups: [String] {
    rows.filter { $0.row.isFull }.flatMap { analysed in
      (analysed.group?.unsteadyRatios ?? []).map { name, ratio in
        "full differs from itself in time, so ratios of this group may be off as much: \(analysed.cell.model) at "
          + "\(NumberFormat.count(analysed.cell.contextLength)), \(analysed.task), \(name) "
          + ReportCell.median(ratio, .fixed(3)).plainText
      }
    }
  }
}
