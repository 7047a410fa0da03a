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
      TextSize.shortened(panel.title, size: SVGCanvas.strongSize, within: plot.width), plot.left,
      box.top + 16,
      "ink strong", size: SVGCanvas.strongSize)
    area.drawGrid(on: &canvas, xText: price.text, yText: loss.text)
    for (number, line) in TextSize.lines(price.label, size: 11, within: box.width - 24).enumerated()
    {
      canvas.text(
        line, box.middle, plot.bottom + 36 + 15 * Double(number), "small ink", anchor: .middle,
        size: 11)
    }
    canvas.sideText(
      TextSize.shortened(loss.label, size: 12, within: plot.height), box.left + 16, plot.centre)
    let placed = Self.placed(points, area)
    let stair = Self.stair(panel.frontier, area)
    if stair.count > 1 { canvas.curve(stair, "frontier") }
    let series = placed.groupedByNames { [$0.point.name] }.enumerated().sorted {
      ($0.element[0].rank, $0.offset) < ($1.element[0].rank, $1.offset)
    }.map(\.element)
    for series in series where series.count > 1 {
      canvas.curve(series.map { ($0.x, $0.y) }, "thin \(series[0].point.style.name)")
    }
    for one in placed.sorted(by: { $0.point.isDominated && !$1.point.isDominated }) {
      draw(one, area, on: &canvas)
    }
    drawNames(series, area, stair, on: &canvas)
  }

  /// A point and where its mark stands.
  private struct Placed {
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

  /// Each name once, at the point of its series that has the most room; those that nothing makes needless first.
  private func drawNames(
    _ series: [[Placed]], _ area: PlotArea, _ stair: [(x: Double, y: Double)],
    on canvas: inout SVGCanvas
  ) {
    let placed = series.joined()
    let whiskers = placed.compactMap { one in
      one.point.lossInterval.map {
        Box(left: one.x - 1, top: area.up($0.high), right: one.x + 1, bottom: area.up($0.low))
      }
    }
    let zero = area.up(0)
    let lines =
      Self.boxes(along: [(area.box.left, zero), (area.box.right, zero)])
      + Self.boxes(along: stair) + series.flatMap { Self.boxes(along: $0.map { ($0.x, $0.y) }) }
    var placement = LabelPlacement(
      in: area.box, around: placed.map { Box(around: $0.x, $0.y, reach: SeriesStyle.reach) },
      avoiding: whiskers + lines)
    let ordered =
      series.filter { $0.contains { !$0.point.isDominated } }
      + series.filter { $0.allSatisfy(\.point.isDominated) }
    for series in ordered {
      let text = TextSize.shortened(series[0].point.name, size: 12, within: 190)
      // At its cheapest point, unless that is needless or has no room.
      let candidates =
        series.filter { !$0.point.isDominated } + series.filter(\.point.isDominated)
      for one in candidates {
        guard let found = placement.place(text, near: one.x, one.y) else { continue }
        canvas.group(strategy: one.point.label) {
          $0.text(text, found.x, found.y, "name named \(one.style.name)", anchor: found.anchor)
        }
        break
      }
    }
  }

  /// Pieces of lines through these places, small enough to stand for a slanted one.
  private static func boxes(along places: [(x: Double, y: Double)]) -> [Box] {
    zip(places, places.dropFirst()).flatMap { one, next -> [Box] in
      let isStraight = one.x == next.x || one.y == next.y
      let count =
        isStraight ? 1 : max(1, Int(max(abs(next.x - one.x), abs(next.y - one.y)) / 8))
      return (0..<count).map { piece in
        let (from, to) = (Double(piece) / Double(count), Double(piece + 1) / Double(count))
        let x = [from, to].map { one.x + $0 * (next.x - one.x) }.sorted()
        let y = [from, to].map { one.y + $0 * (next.y - one.y) }.sorted()
        return Box(left: x[0] - 1, top: y[0] - 1, right: x[1] + 1, bottom: y[1] + 1)
      }
    }
  }
}
