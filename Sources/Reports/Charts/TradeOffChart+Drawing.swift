extension TradeOffChart {
  private var columns: Int { panels.count > 1 ? 2 : 1 }
  private var rows: Int { max(1, (panels.count + columns - 1) / columns) }
  static let width = 940.0
  private static let rowHeight = 376.0

  public var size: ChartSize {
    ChartSize(
      width: Self.width, height: Double(rows) * Self.rowHeight + keyHeight(naming.numbers))
  }

  public func draw(on canvas: inout SVGCanvas) {
    let naming = naming
    for index in panels.indices { draw(index, naming.panels[index], on: &canvas) }
    drawKey(naming.numbers, top: Double(rows) * Self.rowHeight, on: &canvas)
  }

  /// Where everything of a panel stands but its names.
  struct Layout {
    let box: Box
    let area: PlotArea
    /// The important ones first.
    let series: [[Placed]]
    let stair: [(x: Double, y: Double)]
  }

  func layout(_ index: Int) -> Layout {
    let width = Self.width / Double(columns)
    let (column, row) = (Double(index % columns), Double(index / columns))
    let box = Box(
      left: column * width, top: row * Self.rowHeight, right: (column + 1) * width,
      bottom: (row + 1) * Self.rowHeight)
    let panel = panels[index]
    let points = panel.points
    let area = PlotArea(
      box: Box(
        left: box.left + 84, top: box.top + 28, right: box.right - 18, bottom: box.bottom - 66),
      x: AxisScale(
        price.kind, values: points.map(\.price), intervals: points.compactMap(\.priceInterval),
        ticks: price.ticks),
      y: AxisScale(
        loss.kind, values: points.map(\.loss), intervals: points.compactMap(\.lossInterval),
        ticks: loss.ticks))
    let series = Self.placed(points, area).groupedByNames { [$0.point.name] }.enumerated().sorted {
      ($0.element[0].rank, $0.offset) < ($1.element[0].rank, $1.offset)
    }.map(\.element)
    return Layout(
      box: box, area: area, series: series, stair: Self.stair(panel.frontier, area))
  }

  private func draw(_ index: Int, _ names: [Name], on canvas: inout SVGCanvas) {
    let layout = layout(index)
    let (box, area, plot) = (layout.box, layout.area, layout.area.box)
    canvas.text(
      TextSize.shortened(panels[index].title, size: SVGCanvas.strongSize, within: plot.width),
      plot.left, box.top + 16, "ink strong", size: SVGCanvas.strongSize)
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
      canvas.curve(series.map { ($0.x, $0.y) }, "thin \(series[0].point.style.name)")
    }
    let placed = layout.series.flatMap(\.self).sorted { $0.x < $1.x }
    for one in placed.filter(\.point.isDominated) + placed.filter({ !$0.point.isDominated }) {
      draw(one, area, on: &canvas)
    }
    drawNames(names, on: &canvas)
  }

  /// A point and where its mark stands.
  struct Placed {
    var point: Point
    var x: Double
    var y: Double

    var style: SeriesStyle { point.isDominated ? point.style.grey : point.style }

    /// In which order names get their places.
    var rank: Int { point.style.colour ?? .max }
  }

  /// By rising price; those of one price side by side, so that whiskers do not cover each other, in the same order
  /// everywhere.
  private static func placed(_ points: [Point], _ area: PlotArea) -> [Placed] {
    let sorted = points.map {
      Placed(point: $0, x: area.across($0.price), y: area.up($0.loss))
    }.sorted { ($0.x, $0.y) < ($1.x, $1.y) }
    var groups: [[Placed]] = []
    for one in sorted {
      if let first = groups.last?.first, one.x - first.x < 5 {
        groups[groups.count - 1].append(one)
      } else {
        groups.append([one])
      }
    }
    return groups.flatMap { group -> [Placed] in
      let step = group.count > 1 ? min(7, 24 / Double(group.count - 1)) : 0
      let middle = group.reduce(0) { $0 + $1.x } / Double(group.count)
      let ordered = group.sorted { ($0.rank, $0.point.name) < ($1.rank, $1.point.name) }
      return ordered.enumerated().map { place, one in
        var one = one
        if group.count > 1 { one.x = middle + step * (Double(place) - Double(group.count - 1) / 2) }
        return one
      }
    }
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
        area.drawWhisker(at: placed.x, interval, placed.style, on: &canvas)
      }
      if let interval = point.priceInterval {
        area.drawLyingWhisker(at: placed.y, interval, placed.style, on: &canvas)
      }
      canvas.mark(
        placed.style, placed.x, placed.y,
        isHollow: point.lossInterval == nil && !point.isReference)
    }
  }
}
