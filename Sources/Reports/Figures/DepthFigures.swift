import Records

/// Is the needle found: scores by its depth and by the length of the context.
extension ExperimentAnalysis {
  private static let depthPanels = 9
  /// With more depths than these they are put together in tenths.
  private static let mostDepths = 10

  /// A section of figures only; empty for tasks that hide nothing.
  func depthSection(_ styles: StrategyStyles) -> ReportSection {
    let asked = rows.filter(\.hasDepths).groupedByNames {
      [$0.cell.model, $0.task, "\($0.cell.queryAware)"]
    }
    let figures = asked.enumerated().compactMap { number, rows -> ReportFigure? in
      guard let chart = Self.chart(rows, styles, caption: caption(rows)) else { return nil }
      return ReportFigure(
        name: "depths" + (asked.count > 1 ? "-\(number + 1)" : ""), chart: chart)
    }
    return ReportSection(title: "Needles by depth", figures: figures)
  }

  private static func chart(
    _ rows: [AnalysedRow], _ styles: StrategyStyles, caption: String
  ) -> DepthChart? {
    let places = Set(rows.flatMap { $0.row.units.map(\.place) }).sorted()
    guard places.count > 1 else { return nil }
    let isBinned = places.count > mostDepths
    func row(_ place: Double) -> Int {
      isBinned
        ? min(mostDepths - 1, Int(place * Double(mostDepths))) : places.firstIndex(of: place) ?? 0
    }
    let depths =
      isBinned
      ? (0..<mostDepths).map { "\(10 * $0)–\(10 * $0 + 10) %" }
      : places.map { NumberFormat.fixed(0).text(100 * $0) + " %" }
    let lengths = Set(rows.map(\.cell.contextLength)).sorted()
    let labels = rows.grouped(\.label)
    let first = labels.map { $0.elements[0] }
    let kept = ShownStrategies.first(depthPanels, of: first, styles)
    let shown = Set(kept.map(\.label))
    let panels = labels.filter { shown.contains($0.key) }.map { label, rows in
      var cells = [[DepthChart.Cell?]](
        repeating: [DepthChart.Cell?](repeating: nil, count: lengths.count), count: depths.count)
      for own in rows {
        guard let column = lengths.firstIndex(of: own.cell.contextLength) else { continue }
        for (depth, units) in own.row.units.grouped({ row($0.place) }) {
          guard let mean = ScoreMean(units) else { continue }
          cells[depth][column] = DepthChart.Cell(
            score: mean.value, count: Set(units.map(\.sample)).count, interval: mean.interval)
        }
      }
      return DepthChart.Panel(label: label, cells: cells)
    }
    return DepthChart(
      title: "Is the needle found, wherever it lies?",
      caption: caption + " Depth: where the needle lies, from the beginning (0 %) to the end."
        + leftOutWords(kept, of: first),
      depths: depths, lengths: lengths, panels: panels)
  }
}

extension AnalysedRow {
  /// Whether its units are prompts with something hidden at a depth of 0…1.
  fileprivate var hasDepths: Bool {
    PairedDifference.figure(of: row.units) == .score && cell.task != "longbench"
      && row.units.allSatisfy { 0...1 ~= $0.place && $0.score != nil }
  }
}
