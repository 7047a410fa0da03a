extension TradeOffChart {
  private var columns: Int { panels.count > 1 ? 2 : 1 }
  private var rows: Int { max(1, (panels.count + columns - 1) / columns) }
  static let width = 940.0
  private var plotWidth: Double { Self.width / Double(columns) - 102 }
  /// Whole titles: panels of one model and length differ in how they end.
  private func titleLines(_ panel: Panel) -> [String] {
    TextSize.lines(panel.title, size: SVGCanvas.strongSize, within: plotWidth)
  }
  private var titleHeight: Double {
    12 + 16 * Double(panels.map { titleLines($0).count }.max() ?? 1)
  }
  private var rowHeight: Double { titleHeight + 348 }

  public var size: ChartSize {
    ChartSize(width: Self.width, height: Double(rows) * rowHeight + keyHeight(naming.numbers))
  }

  public func draw(on canvas: inout SVGCanvas) {
    let naming = naming
    for index in panels.indices { draw(index, naming.panels[index], on: &canvas) }
    drawKey(naming.numbers, top: Double(rows) * rowHeight, on: &canvas)
  }

  /// Where everything of a panel stands but its names.
  struct Layout {
    let box: Box
    let area: PlotArea
    /// In the order of drawing.
    let marks: [Placed]
    /// By rising price; the important ones first.
    let series: [[Placed]]
    let stair: [(x: Double, y: Double)]
  }

  func layout(_ index: Int) -> Layout {
    let width = Self.width / Double(columns)
    let (column, row) = (Double(index % columns), Double(index / columns))
    let box = Box(
      left: column * width, top: row * rowHeight, right: (column + 1) * width,
      bottom: (row + 1) * rowHeight)
    let panel = panels[index]
    let points = panel.points
    let area = PlotArea(
      box: Box(
        left: box.left + 84, top: box.top + titleHeight, right: box.right - 18,
        bottom: box.bottom - 66),
      x: AxisScale(
        price.kind, values: points.map(\.price), intervals: points.compactMap(\.priceInterval),
        ticks: price.ticks),
      y: AxisScale(
        loss.kind, values: points.map(\.loss), intervals: points.compactMap(\.lossInterval),
        ticks: loss.ticks))
    let marks = Self.placed(points, area)
    let series = marks.sorted { ($0.x, $0.y, $0.rank) < ($1.x, $1.y, $1.rank) }
      .groupedByNames { [$0.point.name] }.enumerated().sorted {
        ($0.element[0].rank, $0.offset) < ($1.element[0].rank, $1.offset)
      }.map(\.element)
    return Layout(
      box: box, area: area, marks: marks, series: series,
      stair: Self.stair(panel.frontier, area))
  }

  private func draw(_ index: Int, _ names: [Name], on canvas: inout SVGCanvas) {
    let layout = layout(index)
    let (box, area, plot) = (layout.box, layout.area, layout.area.box)
    for (number, line) in titleLines(panels[index]).enumerated() {
      canvas.text(
        line, plot.left, box.top + 16 + 16 * Double(number), "ink strong",
        size: SVGCanvas.strongSize)
    }
    area.drawGrid(on: &canvas, xText: price.text, yText: loss.text)
    for (number, line) in TextSize.lines(price.label, size: 11, within: box.width - 24).enumerated()
    {
      canvas.text(
        line, box.middle, plot.bottom + 36 + 15 * Double(number), "small ink", anchor: .middle,
        size: 11)
    }
    canvas.sideText(
      TextSize.shortened(loss.label, size: 12, within: plot.height), box.left + 16, plot.centre)
    if layout.stair.count > 1 { canvas.curve(layout.stair, "frontier") }
    for series in layout.series where series.count > 1 {
      canvas.curve(series.map { ($0.x, $0.y) }, "thin \(Self.style(of: series).name)")
    }
    for one in layout.marks { draw(one, area, on: &canvas) }
    drawNames(names, on: &canvas)
  }

  /// A point and how it is drawn, at its own price and loss whatever else lies there.
  struct Placed {
    let point: Point
    let x: Double
    let y: Double
    /// Half of the bars at the ends of its whisker.
    var bar = Placed.leastBar
    /// How large its mark is, so that one that lies on it does not hide it.
    var scale = 1.0

    static let leastBar = 2.5
    static let mostBar = 8.0

    var style: SeriesStyle { point.isDominated ? point.style.grey : point.style }

    /// In which order names get their places.
    var rank: Int { point.style.colour ?? .max }
  }

  /// In colour where any of its points stands: its name and its line are then those of its marks in colour.
  static func style(of series: [Placed]) -> SeriesStyle {
    let style = series[0].point.style
    return series.allSatisfy(\.point.isDominated) ? style.grey : style
  }

  /// In the order of drawing: what is needless below, the first colours on top.
  private static func placed(_ points: [Point], _ area: PlotArea) -> [Placed] {
    var placed = points.map {
      Placed(point: $0, x: area.across($0.price), y: area.up($0.loss))
    }.enumerated().sorted { one, other in
      let (first, second) = (one.element, other.element)
      return (first.point.isDominated ? 0 : 1, -first.rank, one.offset)
        < (second.point.isDominated ? 0 : 1, -second.rank, other.offset)
    }.map(\.element)
    for index in placed.indices {
      let own = placed[index]
      let above = placed[(index + 1)...].count { abs($0.x - own.x) < 4 && abs($0.y - own.y) < 4 }
      placed[index].scale = 1 + 0.25 * Double(min(2, above))
    }
    for group in stacks(of: placed) where group.count > 1 {
      let step = (Placed.mostBar - Placed.leastBar) / Double(group.count - 1)
      // The uppermost are the narrowest.
      for (place, index) in group.reversed().enumerated() {
        placed[index].bar = Placed.leastBar + step * Double(place)
      }
    }
    return placed
  }

  /// The places of those that stand above one another, so that their whiskers cover each other; each in their order.
  private static func stacks(of placed: [Placed]) -> [[Int]] {
    var stacks: [[Int]] = []
    for index in placed.indices.sorted(by: { placed[$0].x < placed[$1].x }) {
      if let first = stacks.last?.first, placed[index].x - placed[first].x < 5 {
        stacks[stacks.count - 1].append(index)
      } else {
        stacks.append([index])
      }
    }
    return stacks.map { $0.sorted() }
  }

  /// How whiskers and marks that lie on each other are told apart, for a caption, with a blank before it; "" where none do.
  var overlapWords: String {
    let layouts = panels.indices.map(layout)
    let isShared = layouts.contains { layout in
      layout.marks.contains { $0.bar > Placed.leastBar && $0.point.lossInterval != nil }
    }
    let isCovered = layouts.contains { $0.marks.contains { $0.scale > 1 } }
    return (isShared ? " Whiskers at one price end in bars of different widths." : "")
      + (isCovered ? " Of marks that lie on each other the lower ones are larger." : "")
  }

  /// Between two points the price of the right one buys the loss of the left one only.
  private static func stair(_ frontier: [Point], _ area: PlotArea) -> [(x: Double, y: Double)] {
    var stair: [(x: Double, y: Double)] = []
    for point in frontier {
      let corner = (x: area.across(point.price), y: area.up(point.loss))
      if let before = stair.last { stair.append((corner.x, before.y)) }
      stair.append(corner)
    }
    if let last = stair.last, stair.count > 1 { stair.append((area.box.right, last.y)) }
    return stair
  }

  private func draw(_ placed: Placed, _ area: PlotArea, on canvas: inout SVGCanvas) {
    let point = placed.point
    canvas.group(strategy: point.label, hover: point.hover) { canvas in
      if let interval = point.lossInterval {
        area.drawWhisker(at: placed.x, interval, placed.style, bar: placed.bar, on: &canvas)
      }
      if let interval = point.priceInterval {
        area.drawLyingWhisker(at: placed.y, interval, placed.style, on: &canvas)
      }
      canvas.mark(
        placed.style, placed.x, placed.y,
        isHollow: point.lossInterval == nil && !point.isReference, scale: placed.scale)
    }
  }
}
