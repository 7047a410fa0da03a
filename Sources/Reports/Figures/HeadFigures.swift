import Records

/// Which heads lose: maps of layers and heads, the strategies side by side on one scale.
extension ExperimentAnalysis {
  private struct HeadFigure {
    let name: String
    let title: String
    let axis: String
    let value: @Sendable (HeadMeasurement) -> Double?

    static let all = [
      HeadFigure(
        name: "head-error", title: "Which heads err?", axis: "output error, isolated (↓ better)"
      ) { $0.relativeOutputError },
      HeadFigure(
        name: "head-dropped-mass", title: "Which heads drop attention?",
        axis: "mean dropped mass γ (↓ better)"
      ) { $0.droppedMass },
      HeadFigure(
        name: "head-retained", title: "Which heads keep their tokens?",
        axis: "retained fraction (↓ smaller)"
      ) { $0.retainedFraction },
    ]
  }

  /// More maps would be too small.
  private static let headPanels = 8

  /// Of each model at its longest context and first task with heads.
  func headFigures(_ styles: StrategyStyles) -> [ReportFigure] {
    let measured = rows.filter { !$0.row.isFull && !$0.row.heads.isEmpty }.grouped(\.cell.model)
    return measured.flatMap { _, rows in
      let longest = rows.map(\.cell.contextLength).max() ?? 0
      let first = rows.first { $0.cell.contextLength == longest }
      let place = rows.filter {
        $0.row.planned.fullIdentity == first?.row.planned.fullIdentity
      }
      let shown = ShownStrategies.first(Self.headPanels, of: place, styles)
      let number = (measured.firstIndex { $0.key == rows[0].cell.model } ?? 0) + 1
      return HeadFigure.all.compactMap { figure -> ReportFigure? in
        // A map of equal cells says nothing.
        let maps = shown.map { Self.panel($0, figure.value) }
        let panels = maps.filter(\.saysSomething)
        if panels.isEmpty { return nil }
        let equal = maps.filter { !$0.saysSomething }.map(\.label).joined(separator: ", ")
        let left =
          (equal.isEmpty ? "" : " Without what is the same in all heads: \(equal).")
          + Self.leftOutWords(shown, of: place)
        return ReportFigure(
          name: figure.name + (measured.count > 1 ? "-\(number)" : ""),
          chart: HeatmapChart(
            title: figure.title,
            caption:
              "\(caption(place)) \(NumberFormat.counted(longest, "token")), prefill, mean over samples. Darker is more on white, "
              + "lighter on black. Layers and query heads are counted from 0." + left,
            figure: figure.axis, panels: panels))
      }
    }
  }

  private static func panel(
    _ row: AnalysedRow, _ value: (HeadMeasurement) -> Double?
  ) -> HeatmapChart.Panel {
    let heads = row.row.heads.filter {
      $0.setting == .isolated && $0.phase == .prefill && $0.isSound
    }
    let layers = (heads.map(\.layer).max() ?? -1) + 1
    let width = (heads.map(\.queryHead).max() ?? -1) + 1
    var values = [[Double?]](repeating: [Double?](repeating: nil, count: width), count: layers)
    for head in heads { values[head.layer][head.queryHead] = value(head) }
    return HeatmapChart.Panel(label: row.label, values: values)
  }
}

extension HeatmapChart.Panel {
  /// Whether its cells differ.
  fileprivate var saysSomething: Bool { Set(values.joined().compactMap { $0 }).count > 1 }
}
