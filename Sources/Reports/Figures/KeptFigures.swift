import Records

/// What is kept: the prompt of a cell's first sample as a strip for each KV head, the strategies side by side.
extension ExperimentAnalysis {
  /// More maps would be too small, and too many for a page.
  private static let keptPanels = 4

  /// Of each model at its longest context and first task in which tokens left.
  func keptFigures(_ styles: StrategyStyles) -> [ReportFigure] {
    let known = rows.filter { !$0.row.kept.isEmpty }.grouped(\.cell.model)
    return known.enumerated().map { number, group in
      let longest = group.elements.map(\.cell.contextLength).max() ?? 0
      let first = group.elements.first { $0.cell.contextLength == longest }
      let place = group.elements.filter {
        $0.row.planned.fullIdentity == first?.row.planned.fullIdentity
      }
      let shown = ShownStrategies.first(Self.keptPanels, of: place, styles)
      let heads = shown[0].row.kept
      return ReportFigure(
        name: "kept" + (known.count > 1 ? "-\(number + 1)" : ""),
        chart: HeatmapChart(
          title: "What is kept?",
          caption:
            "\(caption(place)) \(NumberFormat.counted(longest, "token")). "
            + "The first prompt, right after it was compacted; a row for each KV head of the layers that attend to "
            + "everything. Darker is more on white, lighter on black."
            + Self.leftOutWords(shown, of: place),
          figure: "share of tokens kept", panels: shown.map(Self.strips),
          down: .init(
            name: "layer", first: "\(heads.first?.layer ?? 0)", last: "\(heads.last?.layer ?? 0)"),
          across: .init(
            name: "prompt", first: "0", last: NumberFormat.count(heads.first?.promptTokens ?? 0)),
          scale: Interval(low: 0, high: 1)))
    }
  }

  private static func strips(_ row: AnalysedRow) -> HeatmapChart.Panel {
    HeatmapChart.Panel(
      label: row.label,
      values: row.row.kept.map { $0.percentages.map { Double($0) / 100 } })
  }
}
