extension TradeOffChart {
  private var columns: Int { panels.count > 1 ? 2 : 1 }
  private var rows: Int { max(1, (panels.count + columns - 1) / columns) }
  private static let rowHeight = 376.0

  public var size: ChartSize { ChartSize(width: 940, height: Double(rows) * Self.rowHeight) }

  public func draw(on canvas: inout SVGCanvas) {
    let width = size.width / Double(columns)
    for (number, panel) in panels.enumerated() {
      let (column, row) = (Double(number % columns), Double(number / columns))
      draw(
        panel,
        in: Box(
          left: column * width, top: row * Self.rowHeight, right: (column + 1) * width,
          bottom: (row + 1) * Self.rowHeight), on: &canvas)
    }
  }

  private func draw(_ panel: Panel, in box: Box, on canvas: inout SVGCanvas) {
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
    let plot = area.box
    canvas.text(
      TextSize.shortened(panel.title, size: 12, within: plot.width), plot.left, box.top + 16,
      "ink strong")
    area.drawGrid(on: &canvas, xText: price.text, yText: loss.text)
    for (number, line) in TextSize.lines(price.label, size: 11, within: box.width - 24).enumerated()
    {
      canvas.text(
        line, box.middle, plot.bottom + 36 + 15 * Double(number), "small ink", anchor: .middle,
        size: 11)
    }
    canvas.sideText(
      TextSize.shortened(loss.label, size: 12, within: plot.height), box.left + 16, plot.centre)
    drawFrontier(panel, area, on: &canvas)
    drawSeries(panel, area, on: &canvas)
    for point in points.sorted(by: { $0.isDominated && !$1.isDominated }) {
      draw(point, area, on: &canvas)
    }
    drawNames(panel, area, on: &canvas)
  }

  /// A stair: between two points the price of the right one buys the loss of the left one only.
  private func drawFrontier(_ panel: Panel, _ area: PlotArea, on canvas: inout SVGCanvas) {
    let corners = panel.frontier.map { (x: area.across($0.price), y: area.up($0.loss)) }
    guard let last = corners.last, corners.count > 1 else { return }
    var stair: [(x: Double, y: Double)] = []
    for corner in corners {
      if let before = stair.last { stair.append((corner.x, before.y)) }
      stair.append(corner)
    }
    stair.append((area.box.right, last.y))
    canvas.curve(stair, "frontier")
  }

  /// Thin lines through the points of one name, by their price.
  private func drawSeries(_ panel: Panel, _ area: PlotArea, on canvas: inout SVGCanvas) {
    for series in panel.points.groupedByNames({ [$0.name] }) where series.count > 1 {
      let sorted = series.sorted { $0.price < $1.price }
      canvas.curve(
        sorted.map { (area.across($0.price), area.up($0.loss)) }, "thin \(series[0].style.name)")
    }
  }

  private func draw(_ point: Point, _ area: PlotArea, on canvas: inout SVGCanvas) {
    let style = point.isDominated ? point.style.grey : point.style
    canvas.group(strategy: point.label, hover: point.hover) { canvas in
      if let interval = point.lossInterval {
        area.drawWhisker(at: point.price, interval, style, on: &canvas)
      }
      if let interval = point.priceInterval {
        area.drawWhisker(interval, at: point.loss, style, on: &canvas)
      }
      canvas.mark(
        style, area.across(point.price), area.up(point.loss),
        isHollow: point.lossInterval == nil && !point.isReference)
    }
  }

  /// Each name once, at the point of its series that has the most room; those that nothing makes needless first.
  private func drawNames(_ panel: Panel, _ area: PlotArea, on canvas: inout SVGCanvas) {
    let points = panel.points
    func place(_ point: Point) -> (x: Double, y: Double) {
      (area.across(point.price), area.up(point.loss))
    }
    let marks = points.map { Box(around: place($0).x, place($0).y, reach: SeriesStyle.reach) }
    let whiskers = points.compactMap { point in
      point.lossInterval.map {
        Box(
          left: place(point).x - 1, top: area.up($0.high), right: place(point).x + 1,
          bottom: area.up($0.low))
      }
    }
    var placement = LabelPlacement(in: area.box, around: marks, avoiding: whiskers)
    let series = points.groupedByNames { [$0.name] }
    let ordered =
      series.filter { $0.contains { !$0.isDominated } }
      + series.filter { $0.allSatisfy(\.isDominated) }
    for series in ordered {
      // From the best point on: the ends of a curve have more room than its middle.
      let candidates = series.sorted {
        ($0.isDominated ? 1 : 0, $0.price) < ($1.isDominated ? 1 : 0, $1.price)
      }
      let text = TextSize.shortened(series[0].name, size: 12, within: 190)
      for point in candidates {
        let (x, y) = place(point)
        guard let found = placement.place(text, near: x, y) else { continue }
        let style = point.isDominated ? "rest" : point.style.name
        canvas.group(strategy: point.label) {
          $0.text(text, found.x, found.y, "name named \(style)", anchor: found.anchor)
        }
        break
      }
    }
  }
}
