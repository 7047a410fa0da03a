/// Collects the elements of an SVG text without scripts or fonts: equal charts, equal bytes.
public struct SVGCanvas {
  static let width = 860.0
  static let height = 480.0

  /// Those of Okabe and Ito, which people with any common colour vision tell apart.
  private static let colours = [
    "#000000", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
  ]

  private var elements: [String] = []

  /// The whole SVG text of a chart; ends with a line feed.
  public static func text(of chart: any Chart) -> String {
    var canvas = SVGCanvas()
    canvas.label(chart.title, 80, 26, attributes: " font-size=\"15\"")
    chart.draw(on: &canvas)
    let head = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">",
      "<title>\(XMLText.escaped(chart.title))</title>",
      "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
    ]
    return (head + canvas.elements + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  mutating func line(
    _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, colour: String, attributes: String = ""
  ) {
    elements.append(
      "<line x1=\"\(Self.number(x1))\" y1=\"\(Self.number(y1))\" x2=\"\(Self.number(x2))\" y2=\"\(Self.number(y2))\" stroke=\"\(colour)\"\(attributes)/>"
    )
  }

  mutating func label(
    _ text: String, _ x: Double, _ y: Double, anchor: String = "start", attributes: String = ""
  ) {
    elements.append(
      "<text x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"\(anchor)\" fill=\"#222222\"\(attributes)>\(XMLText.escaped(text))</text>"
    )
  }

  /// Text that reads upwards, around its middle.
  mutating func sideLabel(_ text: String, _ x: Double, _ y: Double) {
    label(
      text, x, y, anchor: "middle",
      attributes: " transform=\"rotate(-90 \(Int(x)) \(Self.number(y)))\"")
  }

  // MARK: Series

  /// The line of a series through its points.
  mutating func curve(_ points: [(x: Double, y: Double)], series: Int) {
    let path = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    elements.append(
      "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(Self.colour(series))\" stroke-width=\"1.8\"\(Self.dashes(series))/>"
    )
  }

  /// A piece of a series' line, for a legend.
  mutating func sample(_ x1: Double, _ x2: Double, _ y: Double, series: Int) {
    line(
      x1, y, x2, y, colour: Self.colour(series),
      attributes: " stroke-width=\"1.8\"\(Self.dashes(series))")
  }

  /// Marks differ in shape too: a circle, a square, a triangle or a diamond.
  mutating func mark(_ x: Double, _ y: Double, series: Int) {
    let corners: [(Double, Double)]
    switch series % 4 {
    case 1: corners = [(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)]
    case 2: corners = [(0, -4.5), (4.2, 3.2), (-4.2, 3.2)]
    case 3: corners = [(0, -4.8), (4.8, 0), (0, 4.8), (-4.8, 0)]
    default: corners = []
    }
    let points = corners.map { "\(Self.number(x + $0)),\(Self.number(y + $1))" }
    let shape =
      corners.isEmpty
      ? "circle cx=\"\(Self.number(x))\" cy=\"\(Self.number(y))\" r=\"3.5\""
      : "polygon points=\"\(points.joined(separator: " "))\""
    elements.append("<\(shape) fill=\"\(Self.colour(series))\"/>")
  }

  private static func colour(_ series: Int) -> String { colours[series % colours.count] }

  /// Where there are more series than colours.
  private static func dashes(_ series: Int) -> String {
    switch series / colours.count % 3 {
    case 0: ""
    case 1: " stroke-dasharray=\"6 3\""
    default: " stroke-dasharray=\"2 3\""
    }
  }

  private static func number(_ value: Double) -> String { NumberFormat.fixed(1).text(value) }
}
