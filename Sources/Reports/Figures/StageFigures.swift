import Records

/// Where the time goes: stages of the prefill and of a decode step.
extension ExperimentAnalysis {
  private static let stageBars = 16

  private struct Stages {
    let title: String
    let unit: String
    /// In seconds; their order is that of the names.
    let figures: [TimeFigure]
    let total: TimeFigure

    static let names = ["attend", "select", "compact", "rest"]
    static let all = [
      Stages(
        title: "prefill", unit: "ms",
        figures: [.attentionTime, .selectionTime, .compactionTime, .otherTime],
        total: .timeToFirstToken),
      Stages(
        title: "decode, a token", unit: "ms a token",
        figures: [
          .decodeAttentionTime, .decodeSelectionTime, .decodeCompactionTime, .decodeOtherTime,
        ], total: .timePerOutputToken),
    ]
  }

  /// Of each model at its longest context and first task that was timed.
  func stageFigures(_ styles: StrategyStyles) -> [ReportFigure] {
    let timed = rows.filter { !$0.times.isEmpty }.grouped(\.cell.model)
    return timed.enumerated().compactMap { number, group -> ReportFigure? in
      let longest = group.elements.map(\.cell.contextLength).max() ?? 0
      let first = group.elements.first { $0.cell.contextLength == longest }
      let place = group.elements.filter {
        $0.row.planned.fullIdentity == first?.row.planned.fullIdentity
      }
      let shown = ShownStrategies.first(Self.stageBars, of: place, styles)
      let panels = Stages.all.compactMap { stages -> StageChart.Panel? in
        let bars = shown.compactMap { Self.bar($0, stages) }
        return bars.isEmpty
          ? nil
          : StageChart.Panel(
            title: "\(group.key) at \(NumberFormat.counted(longest, "token")): \(stages.title)",
            unit: stages.unit, bars: bars)
      }
      guard !panels.isEmpty else { return nil }
      return ReportFigure(
        name: "stages" + (timed.count > 1 ? "-\(number + 1)" : ""),
        chart: StageChart(
          title: "Where does the time go?",
          caption:
            "\(caption(place)) \(Self.barWords(shown)) Times are this machine's; only ratios inside the figure compare."
            + Self.leftOutWords(shown, of: place),
          stages: Stages.names, panels: panels))
    }
  }

  /// What bars are of, and what stands at them.
  private static func barWords(_ rows: [AnalysedRow]) -> String {
    let counts = rows.compactMap { $0.times[.timeToFirstToken]?.count }
    guard let most = counts.max(), most > 1 else {
      return "Times of one repeat; the number at a bar is their sum."
    }
    let least = counts.min() ?? most
    let words = least < most ? "\(least) to \(most)" : "\(most)"
    return
      "Medians over \(words) repeats; the number at a bar is their sum, the line the quartiles of "
      + "the whole."
  }

  /// Nil where a stage was not timed.
  private static func bar(_ row: AnalysedRow, _ stages: Stages) -> StageChart.Bar? {
    let medians = stages.figures.compactMap { row.times[$0]?.median }.map { 1000 * $0 }
    guard medians.count == stages.figures.count else { return nil }
    let total = row.times[stages.total]
    let parts = zip(Stages.names, medians).map {
      "\($0) \(StageChart.text($1))"
    }
    return StageChart.Bar(
      label: row.label, stages: medians,
      // Of one repeat there are none.
      quartiles: total.flatMap {
        $0.count > 1
          ? Interval(low: 1000 * $0.lowerQuartile, high: 1000 * $0.upperQuartile) : nil
      },
      hover: "\(row.label): \(parts.joined(separator: ", ")) \(stages.unit)")
  }
}
