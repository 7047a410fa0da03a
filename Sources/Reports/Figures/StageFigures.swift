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
            title: "\(group.key) at \(NumberFormat.count(longest)) tokens: \(stages.title)",
            unit: stages.unit, bars: bars)
      }
      guard !panels.isEmpty else { return nil }
      return ReportFigure(
        name: "stages" + (timed.count > 1 ? "-\(number + 1)" : ""),
        chart: StageChart(
          title: "Where does the time go?",
          caption:
            "\(caption(place)) Medians over \(first?.times[.timeToFirstToken]?.count ?? 0) repeats; the number at a bar is their "
            + "sum, the line the quartiles of the whole. Times are this machine's; only ratios inside the figure compare.",
          stages: Stages.names, panels: panels))
    }
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
      quartiles: total.map {
        Interval(low: 1000 * $0.lowerQuartile, high: 1000 * $0.upperQuartile)
      },
      hover: "\(row.label): \(parts.joined(separator: ", ")) \(stages.unit)")
  }
}
