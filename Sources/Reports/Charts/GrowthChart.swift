/// How a figure grows with the context: both axes logarithmic, so that a power is a straight line; the power stands at the
/// line's end.
public struct GrowthChart: Chart {
  struct Point: Sendable, Hashable {
    /// Tokens.
    var length: Double
    var value: Double
    /// An interval, or the quartiles of repeats.
    var spread: Interval?
    var hover: String
  }

  struct Line: Sendable, Hashable {
    /// The strategy, as everywhere else.
    var label: String
    /// Written at its end.
    var name: String
    /// Behind it: the power that was fitted; "" where none was.
    var power: String
    var style: SeriesStyle
    /// By length.
    var points: [Point]
    var crossover: Crossover?
  }

  public var title: String
  public var caption: String
  /// With unit and direction.
  var axis: String
  var lines: [Line]

  /// Points that an axis cannot show are left out, and lines without two of them.
  init(title: String, caption: String, axis: String, lines: [Line]) {
    self.title = title
    self.caption = caption
    self.axis = axis
    self.lines = lines.compactMap { line in
      var line = line
      line.points.removeAll {
        let kind = AxisScale.Kind.logarithmic
        return !kind.canShow($0.length) || !kind.canShow($0.value)
      }
      return line.points.count > 1 ? line : nil
    }
  }
}

extension GrowthChart {
  private static let nameSpace = 250.0
  private static let plot = Box(left: 84, top: 12, right: 940 - nameSpace, bottom: 400)

  public var size: ChartSize { ChartSize(width: 940, height: 450) }

  public func draw(on canvas: inout SVGCanvas) {
    let points = lines.flatMap(\.points)
    let lengths = Set(points.map(\.length)).sorted()
    let area = PlotArea(
      box: Self.plot, x: AxisScale(.logarithmic, values: lengths, ticks: lengths),
      y: AxisScale(
        .logarithmic, values: points.map(\.value), intervals: points.compactMap(\.spread)))
    area.drawGrid(on: &canvas)
    canvas.text(
      "context length, tokens, log scale", Self.plot.middle, Self.plot.bottom + 38, "small ink",
      anchor: .middle, size: 11)
    canvas.sideText(
      TextSize.shortened(axis, size: 12, within: Self.plot.height), 18, Self.plot.centre)
    // Those in colour are drawn last.
    for line in lines.sorted(by: { $0.style.colour == nil && $1.style.colour != nil }) {
      draw(line, area, on: &canvas)
    }
    drawCrossovers(area, on: &canvas)
    drawNames(area, on: &canvas)
  }

  private func draw(_ line: Line, _ area: PlotArea, on canvas: inout SVGCanvas) {
    canvas.group(strategy: line.label, hover: line.name + line.power) { canvas in
      canvas.curve(
        line.points.map { (area.across($0.length), area.up($0.value)) },
        "line \(line.style.name)")
    }
    for point in line.points {
      canvas.group(strategy: line.label, hover: point.hover) { canvas in
        if let spread = point.spread {
          area.drawWhisker(at: area.across(point.length), spread, line.style, on: &canvas)
        }
        canvas.mark(line.style, area.across(point.length), area.up(point.value))
      }
    }
  }

  /// A bar at the foot of the plot over the lengths between which a strategy passes full, and a mark where.
  private func drawCrossovers(_ area: PlotArea, on canvas: inout SVGCanvas) {
    for (number, line) in lines.filter({ $0.crossover != nil }).prefix(6).enumerated() {
      guard let crossover = line.crossover else { continue }
      let place = Self.plot.bottom - 10 - 14 * Double(number)
      let (low, high) = (crossover.interval.low, crossover.interval.high)
      let words = "\(Self.text(crossover.length)) [\(Self.text(low)), \(Self.text(high))]"
      let hover = "\(line.label): ahead of full from \(words) tokens on"
      canvas.group(strategy: line.label, hover: hover) { canvas in
        area.drawLyingWhisker(at: place, crossover.interval, line.style, on: &canvas)
        canvas.mark(line.style, area.across(crossover.length), place)
        let end = max(area.across(high), area.across(crossover.length) + SeriesStyle.reach)
        let isRoom = end + 6 + TextSize.width(words, size: 11) < Self.plot.right
        canvas.text(
          words, isRoom ? end + 6 : area.across(low) - 8, place + 4,
          "small name named \(line.style.name)", anchor: isRoom ? .start : .end, size: 11)
      }
    }
  }

  /// Long names are abridged, powers never.
  private static func text(_ line: Line) -> String {
    let room = nameSpace - 26 - TextSize.width(line.power, size: 12)
    return TextSize.abridged(line.name, size: 12, within: room) + line.power
  }

  private static func text(_ length: Double) -> String { NumberFormat.count.text(length.rounded()) }

  /// At the ends of the lines, pushed apart where they would overlap; without room for all, those in colour.
  private func drawNames(_ area: PlotArea, on canvas: inout SVGCanvas) {
    let room = Int(Self.plot.height / Self.nameHeight)
    let shown = (lines.filter { $0.style.colour != nil } + lines.filter { $0.style.colour == nil })
      .prefix(room)
    let ends = shown.compactMap { line in
      line.points.last.map { (line: line, place: area.up($0.value)) }
    }.sorted { $0.place < $1.place }
    let places = Self.apart(ends.map(\.place), in: Self.plot)
    for (end, place) in zip(ends, places) {
      guard let last = end.line.points.last else { continue }
      canvas.group(strategy: end.line.label) { canvas in
        canvas.curve(
          [
            (area.across(last.length) + 7, end.place), (Self.plot.right + 8, place),
            (Self.plot.right + 14, place),
          ], "thin \(end.line.style.name)")
        canvas.text(
          Self.text(end.line),
          Self.plot.right + 18, place + 4, "named \(end.line.style.name)")
      }
    }
  }

  private static let nameHeight = 15.5

  /// Ascending places, moved so that neighbours have room, as little as that takes from the top down and then back up.
  static func apart(_ places: [Double], in area: Box) -> [Double] {
    var moved = places
    for index in moved.indices.dropFirst() {
      moved[index] = max(moved[index], moved[index - 1] + nameHeight)
    }
    var limit = area.bottom
    for index in moved.indices.reversed() {
      moved[index] = min(moved[index], limit)
      limit = moved[index] - nameHeight
    }
    return moved
  }
}
