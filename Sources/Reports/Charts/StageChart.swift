/// Where the time goes: a bar for each strategy, made of stages one after the other.
public struct StageChart: Chart {
  struct Bar: Sendable, Hashable {
    /// The strategy, as everywhere else.
    var label: String
    /// In the unit of the axis, one for each stage; medians.
    var stages: [Double]
    /// Of the sum, over repeats.
    var quartiles: Interval?
    var hover: String

    var total: Double { stages.reduce(0, +) }
  }

  struct Panel: Sendable, Hashable {
    /// What is timed, where.
    var title: String
    var unit: String
    var bars: [Bar]
  }

  public var title: String
  public var caption: String
  /// At most four, in their order.
  var stages: [String]
  var panels: [Panel]
}

extension StageChart {
  private static let width = 940.0
  private static let nameSpace = 250.0
  private static let barHeight = 20.0
  /// Apart in lightness.
  private static let colours = ["c1", "c2", "c6", "rest"]

  /// All of a label: it tells two bars apart by its end.
  private func labelLines(_ bar: Bar) -> [String] {
    TextSize.lines(bar.label, size: 12, within: Self.nameSpace - 30)
  }

  private func height(of bar: Bar) -> Double {
    max(Self.barHeight, 6 + 14 * Double(labelLines(bar).count))
  }

  private func height(of bars: [Bar]) -> Double { bars.reduce(0) { $0 + height(of: $1) } }

  private func height(of panel: Panel) -> Double { 30 + height(of: panel.bars) + 52 }

  public var size: ChartSize {
    ChartSize(width: Self.width, height: panels.reduce(30) { $0 + height(of: $1) })
  }

  public func draw(on canvas: inout SVGCanvas) {
    var x = 20.0
    for (stage, colour) in zip(stages, Self.colours) {
      canvas.area(Box(left: x, top: 4, right: x + 12, bottom: 16), "cell \(colour)")
      canvas.text(stage, x + 18, 15)
      x += 40 + TextSize.width(stage, size: 12)
    }
    var top = 30.0
    for panel in panels {
      draw(panel, top: top, on: &canvas)
      top += height(of: panel)
    }
  }

  private func draw(_ panel: Panel, top: Double, on canvas: inout SVGCanvas) {
    let plot = Box(
      left: Self.nameSpace, top: top + 26, right: Self.width - 80,
      bottom: top + 30 + height(of: panel.bars))
    // Lengths of bars are compared, so they begin at 0.
    let most = panel.bars.map { max($0.total, $0.quartiles?.high ?? 0) }.max() ?? 1
    let area = PlotArea(
      box: plot, x: AxisScale(.linear, values: [0, most > 0 ? most : 1]),
      y: AxisScale(.linear, values: [0, 1], ticks: []))
    canvas.text(
      TextSize.shortened(panel.title, size: SVGCanvas.strongSize, within: Self.width - 40), 20,
      top + 16,
      "ink strong", size: SVGCanvas.strongSize)
    area.drawGrid(on: &canvas)
    canvas.text(
      "\(panel.unit) (← better)", plot.middle, plot.bottom + 36, "small ink", anchor: .middle,
      size: 11)
    var barTop = plot.top + 2
    for bar in panel.bars {
      draw(bar, middle: barTop + height(of: bar) / 2, area, on: &canvas)
      barTop += height(of: bar)
    }
  }

  /// Three digits, or all before the point.
  static func text(_ time: Double) -> String {
    time < 1000 ? NumberFormat.significant.text(time) : NumberFormat.count.text(time.rounded())
  }

  private func draw(_ bar: Bar, middle: Double, _ area: PlotArea, on canvas: inout SVGCanvas) {
    let lines = labelLines(bar)
    let half = Self.barHeight / 2 - 3
    canvas.group(strategy: bar.label, hover: bar.hover) { canvas in
      for (number, line) in lines.enumerated() {
        canvas.text(
          line, area.box.left - 8,
          middle + 4 + 14 * (Double(number) - Double(lines.count - 1) / 2), "ink", anchor: .end)
      }
      var start = 0.0
      for (value, colour) in zip(bar.stages, Self.colours) where value > 0 {
        canvas.area(
          Box(
            left: area.across(start), top: middle - half, right: area.across(start + value),
            bottom: middle + half), "cell \(colour)")
        start += value
      }
      if let quartiles = bar.quartiles {
        area.drawLyingWhisker(
          at: middle, quartiles, SeriesStyle(colour: 0, shape: 0), on: &canvas)
      }
      let end = max(start, bar.quartiles?.high ?? 0)
      canvas.text(
        Self.text(bar.total), area.across(end) + 6, middle + 4, "small soft",
        size: 11)
    }
  }
}
