/// One row for each text or task and one mark in it for each strategy: where does it break? The worst is at the top.
public struct DotChart: Chart {
  struct Mark: Sendable, Hashable {
    /// Of ``DotChart/strategies``.
    var strategy: Int
    var loss: Double
    var interval: Interval?
    var hover: String
  }

  struct Row: Sendable, Hashable {
    var name: String
    /// At most one for each strategy.
    var marks: [Mark]
  }

  struct Strategy: Sendable, Hashable {
    var label: String
    var style: SeriesStyle
  }

  struct Panel: Sendable, Hashable {
    var title: String
    var rows: [Row]
  }

  public var title: String
  public var caption: String
  /// With unit and direction.
  var axis: ValueAxis
  var strategies: [Strategy]
  var panels: [Panel]

  /// Losses that the axis cannot show are left out; rows come by their largest.
  init(
    title: String, caption: String, axis: ValueAxis, strategies: [Strategy],
    panels: [Panel]
  ) {
    self.title = title
    self.caption = caption
    self.axis = axis
    self.strategies = strategies
    self.panels = panels.map { panel in
      var panel = panel
      for row in panel.rows.indices {
        panel.rows[row].marks.removeAll { !axis.kind.canShow($0.loss) }
      }
      panel.rows.removeAll(where: \.marks.isEmpty)
      panel.rows = panel.rows.enumerated()
        .sorted { (-$0.element.largest, $0.offset) < (-$1.element.largest, $1.offset) }
        .map(\.element)
      return panel
    }.filter { !$0.rows.isEmpty }
  }
}

extension DotChart.Row {
  fileprivate var largest: Double { marks.map(\.loss).max() ?? 0 }
}

extension DotChart {
  private static let width = 940.0
  private static let slot = 11.0

  private var columns: Int { panels.count > 1 ? 2 : 1 }
  private var legend: [[Int]] {
    LegendLines.of(
      strategies.map { 26 + TextSize.width($0.label, size: 12) }, within: Self.width - 28)
  }
  private var legendHeight: Double { 19 * Double(legend.count) + 8 }
  /// Left of each panel, for the longest name; at most half of the panel, so that there is room for marks.
  private var nameSpace: Double {
    let widest = panels.flatMap(\.rows).map { TextSize.width($0.name, size: 12) }.max() ?? 0
    return min(max(150, widest + 18), Self.width / Double(columns) / 2)
  }
  private var rowHeight: Double { Self.slot * Double(strategies.count) + 12 }

  private func panelHeight(_ row: Int) -> Double {
    let rows = panels[(row * columns)..<min(panels.count, (row + 1) * columns)].map(\.rows.count)
    return 32 + rowHeight * Double(rows.max() ?? 0) + 52
  }

  public var size: ChartSize {
    let panelRows = (panels.count + columns - 1) / columns
    return ChartSize(
      width: Self.width,
      height: legendHeight + (0..<panelRows).reduce(0) { $0 + panelHeight($1) })
  }

  public func draw(on canvas: inout SVGCanvas) {
    drawLegend(on: &canvas)
    let width = Self.width / Double(columns)
    var top = legendHeight
    for (number, panel) in panels.enumerated() {
      let left = Double(number % columns) * width
      draw(
        panel,
        in: Box(
          left: left, top: top, right: left + width, bottom: top + panelHeight(number / columns)),
        on: &canvas)
      if number % columns == columns - 1 { top += panelHeight(number / columns) }
    }
  }

  private func drawLegend(on canvas: inout SVGCanvas) {
    for (number, line) in legend.enumerated() {
      var x = 20.0
      let y = 12 + 19 * Double(number)
      for index in line {
        let strategy = strategies[index]
        let text = TextSize.shortened(strategy.label, size: 12, within: Self.width - 60)
        canvas.group(strategy: strategy.label) { canvas in
          canvas.mark(strategy.style, x, y)
          canvas.text(text, x + 10, y + 4, "named \(strategy.style.name)")
        }
        x += 26 + TextSize.width(strategy.label, size: 12)
      }
    }
  }

  private func draw(_ panel: Panel, in box: Box, on canvas: inout SVGCanvas) {
    let marks = panel.rows.flatMap(\.marks)
    let plot = Box(
      left: box.left + nameSpace, top: box.top + 26, right: box.right - 20,
      bottom: box.top + 26 + rowHeight * Double(panel.rows.count))
    let area = PlotArea(
      box: plot,
      // No difference at all is where all are compared with.
      x: AxisScale(
        axis.kind, values: marks.map(\.loss) + [0], intervals: marks.compactMap(\.interval),
        ticks: axis.ticks),
      y: AxisScale(.linear, values: [0, 1], ticks: []))
    canvas.text(
      TextSize.shortened(panel.title, size: SVGCanvas.strongSize, within: plot.width), plot.left,
      box.top + 16,
      "ink strong", size: SVGCanvas.strongSize)
    area.drawGrid(on: &canvas, xText: axis.text)
    let zero = area.across(0)
    canvas.line(zero, plot.top, zero, plot.bottom, "axis")
    canvas.text(
      TextSize.shortened(axis.label, size: 11, within: box.width - 8), box.middle,
      plot.bottom + 36, "small ink", anchor: .middle, size: 11)
    for (number, row) in panel.rows.enumerated() {
      draw(row, top: plot.top + rowHeight * Double(number), area, on: &canvas)
    }
  }

  /// As many as have room beside the marks, else a shortened one.
  private func nameLines(_ row: Row) -> [String] {
    let lines = TextSize.lines(row.name, size: 12, within: nameSpace - 18)
    return 15 * Double(lines.count) <= rowHeight
      ? lines : [TextSize.shortened(row.name, size: 12, within: nameSpace - 18)]
  }

  private func draw(_ row: Row, top: Double, _ area: PlotArea, on canvas: inout SVGCanvas) {
    if top > area.box.top { canvas.line(area.box.left, top, area.box.right, top, "grid") }
    let lines = nameLines(row)
    for (number, line) in lines.enumerated() {
      let y = top + rowHeight / 2 + 4 + 14 * (Double(number) - Double(lines.count - 1) / 2)
      canvas.text(line, area.box.left - 8, y, "ink", anchor: .end)
    }
    for mark in row.marks {
      let strategy = strategies[mark.strategy]
      let y = top + 6 + Self.slot * (Double(mark.strategy) + 0.5)
      canvas.group(strategy: strategy.label, hover: mark.hover) { canvas in
        if let interval = mark.interval {
          area.drawLyingWhisker(at: y, interval, strategy.style, on: &canvas)
        }
        canvas.mark(
          strategy.style, area.across(mark.loss), y, isHollow: mark.interval == nil)
      }
    }
  }
}
