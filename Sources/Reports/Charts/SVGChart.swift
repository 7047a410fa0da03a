import Foundation

/// Draws a ``LineChart`` as an SVG text: no script, no font of its own, the same bytes for the same chart.
///
/// Colours are those of Okabe and Ito, which people with any common colour vision tell apart; marks differ in shape too,
/// and dashes where there are more series than colours.
public struct SVGChart {
  private let chart: LineChart
  private let x: AxisScale
  private let y: AxisScale

  private static let colours = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
  ]
  private static let width = 860.0
  private static let height = 480.0
  private static let left = 80.0
  private static let right = 590.0
  private static let top = 48.0
  private static let bottom = 410.0

  public init(_ chart: LineChart) {
    self.chart = chart
    let points = chart.series.flatMap(\.points)
    x = AxisScale(chart.x, values: points.map(\.x))
    y = AxisScale(chart.y, values: points.map(\.y))
  }

  public var text: String {
    var lines = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(Self.width)) \(Int(Self.height))\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">",
      "<title>\(Self.escaped(chart.title))</title>",
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
      Self.label(
        chart.title, x: Self.left, y: 26, anchor: "start", attributes: " font-size=\"15\""),
    ]
    lines += grid
    for (number, series) in chart.series.enumerated() { lines += drawing(of: series, number) }
    lines += legend
    lines.append("</svg>")
    return lines.joined(separator: "\n") + "\n"
  }

  // MARK: Axes

  private var grid: [String] {
    var lines: [String] = []
    for tick in x.ticks {
      let place = horizontal(tick)
      lines.append(Self.line(place, Self.top, place, Self.bottom, colour: "#dddddd"))
      lines.append(Self.label(x.text(tick), x: place, y: Self.bottom + 18, anchor: "middle"))
    }
    for tick in y.ticks {
      let place = vertical(tick)
      lines.append(Self.line(Self.left, place, Self.right, place, colour: "#dddddd"))
      lines.append(Self.label(y.text(tick), x: Self.left - 8, y: place + 4, anchor: "end"))
    }
    lines.append(Self.line(Self.left, Self.bottom, Self.right, Self.bottom, colour: "#333333"))
    lines.append(Self.line(Self.left, Self.top, Self.left, Self.bottom, colour: "#333333"))
    let middle = (Self.top + Self.bottom) / 2
    lines.append(
      Self.label(
        chart.x.label, x: (Self.left + Self.right) / 2, y: Self.bottom + 44, anchor: "middle"))
    lines.append(
      Self.label(
        chart.y.label, x: 18, y: middle, anchor: "middle",
        attributes: " transform=\"rotate(-90 18 \(Self.number(middle)))\""))
    return lines
  }

  private func horizontal(_ value: Double) -> Double {
    Self.left + x.share(value) * (Self.right - Self.left)
  }

  private func vertical(_ value: Double) -> Double {
    Self.bottom - y.share(value) * (Self.bottom - Self.top)
  }

  // MARK: Series

  private func drawing(of series: LineChart.Series, _ number: Int) -> [String] {
    let places = series.points.map { (horizontal($0.x), vertical($0.y)) }
    var lines: [String] = []
    if places.count > 1 {
      let path = places.map { "\(Self.number($0)),\(Self.number($1))" }.joined(separator: " ")
      lines.append(
        "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(Self.colour(number))\" stroke-width=\"1.8\"\(Self.dashes(number))/>"
      )
    }
    return lines + places.map { Self.mark(number, $0, $1) }
  }

  private var legend: [String] {
    chart.series.enumerated().flatMap { number, series in
      let place = Self.top + 10 + 20 * Double(number)
      return [
        "<line x1=\"\(Self.number(Self.right + 16))\" y1=\"\(Self.number(place))\" x2=\"\(Self.number(Self.right + 44))\" y2=\"\(Self.number(place))\" stroke=\"\(Self.colour(number))\" stroke-width=\"1.8\"\(Self.dashes(number))/>",
        Self.mark(number, Self.right + 30, place),
        Self.label(
          Self.shortened(series.name), x: Self.right + 52, y: place + 4, anchor: "start"),
      ]
    }
  }

  /// As much of a name as the margin holds.
  private static func shortened(_ name: String) -> String {
    name.count <= 36 ? name : name.prefix(35) + "…"
  }

  private static func colour(_ number: Int) -> String { colours[number % colours.count] }

  private static func dashes(_ number: Int) -> String {
    switch number / colours.count % 3 {
    case 0: ""
    case 1: " stroke-dasharray=\"6 3\""
    default: " stroke-dasharray=\"2 3\""
    }
  }

  /// A circle, a square, a triangle or a diamond.
  private static func mark(_ number: Int, _ x: Double, _ y: Double) -> String {
    func polygon(_ corners: [(Double, Double)]) -> String {
      let points = corners.map { "\(self.number(x + $0)),\(self.number(y + $1))" }
      return
        "<polygon points=\"\(points.joined(separator: " "))\" fill=\"\(colour(number))\"/>"
    }
    switch number % 4 {
    case 0:
      return
        "<circle cx=\"\(self.number(x))\" cy=\"\(self.number(y))\" r=\"3.5\" fill=\"\(colour(number))\"/>"
    case 1: return polygon([(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)])
    case 2: return polygon([(0, -4.5), (4.2, 3.2), (-4.2, 3.2)])
    default: return polygon([(0, -4.8), (4.8, 0), (0, 4.8), (-4.8, 0)])
    }
  }

  // MARK: Text

  private static func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, colour: String
  ) -> String {
    "<line x1=\"\(number(x1))\" y1=\"\(number(y1))\" x2=\"\(number(x2))\" y2=\"\(number(y2))\" stroke=\"\(colour)\"/>"
  }

  private static func label(
    _ text: String, x: Double, y: Double, anchor: String, attributes: String = ""
  ) -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" fill=\"#222222\"\(attributes)>\(escaped(text))</text>"
  }

  private static func number(_ value: Double) -> String { NumberText.fixed(value, 1) }

  private static func escaped(_ text: String) -> String {
    text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
      .filter { !$0.unicodeScalars.contains { $0.properties.generalCategory == .control } }
  }
}
