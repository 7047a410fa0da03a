/// Collects the elements of an SVG text without scripts or fonts: equal charts, equal bytes.
public struct SVGCanvas {
  static let fontSize = 12.0
  /// For the room that takes: bold letters are wider.
  static let strongSize = 13.6
  private static let margin = 14.0

  private var elements: [String] = []
  /// Where texts and marks stand, in the order of drawing.
  private(set) var texts: [(text: String, box: Box)] = []
  private(set) var marks: [Box] = []
  private(set) var size: ChartSize
  /// Where the chart's own drawing begins.
  private var top = 0.0

  private init(width: Double) { size = ChartSize(width: width, height: 0) }

  /// The whole SVG text of a chart; ends with a line feed.
  public static func text(of chart: any Chart, theme: ChartTheme = .automatic) -> String {
    let canvas = drawing(of: chart)
    let (width, height) = (number(canvas.size.width), number(canvas.size.height))
    let head = [
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(width) \(height)\" width=\"\(width)\" height=\"\(height)\" class=\"tca-figure\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">",
      "<title>\(XMLText.escaped(chart.title))</title>",
      "<style>\n\(theme.styleSheet)</style>",
      "<rect class=\"ground\" width=\"100%\" height=\"100%\"/>",
    ]
    return (head + canvas.elements + ["</svg>"]).joined(separator: "\n") + "\n"
  }

  /// Title, chart and caption, one below the other.
  static func drawing(of chart: any Chart) -> SVGCanvas {
    let size = chart.size
    var canvas = SVGCanvas(width: size.width)
    let room = size.width - 2 * margin
    var y = 24.0
    for line in TextSize.lines(chart.title, size: 17, within: room) {
      canvas.text(line, margin, y, "title ink", size: 17)
      y += 20
    }
    canvas.top = y - 12
    canvas.elements.append("<g transform=\"translate(0 \(number(canvas.top)))\">")
    chart.draw(on: &canvas)
    canvas.elements.append("</g>")
    y = canvas.top + size.height + 16
    canvas.top = 0
    for line in TextSize.lines(chart.caption, size: 11, within: room) {
      canvas.text(line, margin, y, "small soft", size: 11)
      y += 15
    }
    canvas.size.height = y
    return canvas
  }

  // MARK: - Lines and areas

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ style: String) {
    elements.append(
      "<line class=\"\(style)\" x1=\"\(Self.number(x1))\" y1=\"\(Self.number(y1))\" x2=\"\(Self.number(x2))\" y2=\"\(Self.number(y2))\"/>"
    )
  }

  mutating func curve(_ points: [(x: Double, y: Double)], _ style: String) {
    let path = points.map { "\(Self.number($0.x)),\(Self.number($0.y))" }.joined(separator: " ")
    elements.append("<polyline class=\"\(style)\" points=\"\(path)\"/>")
  }

  /// - Parameter opacity: 0…1, of the fill.
  mutating func area(_ box: Box, _ style: String, opacity: Double = 1) {
    let shade = opacity < 1 ? " fill-opacity=\"\(NumberFormat.fixed(3).text(opacity))\"" : ""
    elements.append(
      "<rect class=\"\(style)\" x=\"\(Self.number(box.left))\" y=\"\(Self.number(box.top))\" width=\"\(Self.number(box.width))\" height=\"\(Self.number(box.height))\"\(shade)/>"
    )
  }

  /// Many at once, in few bytes.
  mutating func areas(_ boxes: [Box], _ style: String, opacity: Double) {
    let path = boxes.map { box in
      "M\(Self.number(box.left)) \(Self.number(box.top))h\(Self.number(box.width))v\(Self.number(box.height))h\(Self.number(-box.width))z"
    }
    elements.append(
      "<path class=\"\(style)\" fill-opacity=\"\(NumberFormat.fixed(3).text(opacity))\" d=\"\(path.joined())\"/>"
    )
  }

  // MARK: - Text

  enum Anchor: String {
    case start, middle, end
  }

  /// - Parameters:
  ///   - y: of the base line.
  ///   - size: what the style says, for the room that it takes.
  mutating func text(
    _ text: String, _ x: Double, _ y: Double, _ style: String = "ink", anchor: Anchor = .start,
    size: Double = fontSize
  ) {
    texts.append((text, Self.box(of: text, x, y + top, anchor, size: size)))
    elements.append(
      "<text class=\"\(style)\" x=\"\(Self.number(x))\" y=\"\(Self.number(y))\"\(Self.attribute(anchor))>\(Self.shown(text))</text>"
    )
  }

  /// Text that reads upwards, around its middle.
  mutating func sideText(_ text: String, _ x: Double, _ y: Double, _ style: String = "ink") {
    let half = TextSize.width(text, size: Self.fontSize) / 2
    texts.append(
      (text, Box(left: x - 10, top: y + top - half, right: x + 3, bottom: y + top + half)))
    elements.append(
      "<text class=\"\(style)\" x=\"\(Self.number(x))\" y=\"\(Self.number(y))\" text-anchor=\"middle\" transform=\"rotate(-90 \(Self.number(x)) \(Self.number(y)))\">\(Self.shown(text))</text>"
    )
  }

  /// Without what turns the direction of the text behind it around.
  private static func shown(_ text: String) -> String {
    XMLText.escaped(text.replacingScalars { TerminalText.turnsDirection($0) ? "" : nil })
  }

  /// The room of a text on its base line.
  static func box(
    of text: String, _ x: Double, _ y: Double, _ anchor: Anchor, size: Double = fontSize
  ) -> Box {
    let width = TextSize.width(text, size: size)
    let left =
      switch anchor {
      case .start: x
      case .middle: x - width / 2
      case .end: x - width
      }
    return Box(left: left, top: y - 0.8 * size, right: left + width, bottom: y + 0.25 * size)
  }

  private static func attribute(_ anchor: Anchor) -> String {
    anchor == .start ? "" : " text-anchor=\"\(anchor.rawValue)\""
  }

  // MARK: - Series

  /// What belongs to one strategy, with what is shown where a pointer rests on it.
  mutating func group(
    strategy: String, hover: String = "", _ draw: (inout SVGCanvas) -> Void
  ) {
    elements.append("<g data-strategy=\"\(XMLText.escaped(strategy))\">")
    if !hover.isEmpty { elements.append("<title>\(XMLText.escaped(hover))</title>") }
    draw(&self)
    elements.append("</g>")
  }

  /// What a pointer rests on without a strategy of its own: a cell of a map.
  mutating func area(_ box: Box, _ style: String, opacity: Double, hover: String) {
    elements.append("<g><title>\(XMLText.escaped(hover))</title>")
    area(box, style, opacity: opacity)
    elements.append("</g>")
  }

  /// - Parameters:
  ///   - isHollow: where nothing is known of how sure it is.
  ///   - scale: 1 for the usual size.
  mutating func mark(
    _ style: SeriesStyle, _ x: Double, _ y: Double, isHollow: Bool = false, scale: Double = 1
  ) {
    marks.append(Box(around: x, y + top, reach: SeriesStyle.reach * scale))
    let name = "mark \(style.name)\(isHollow ? " hollow" : "")"
    let corners = style.corners.map {
      "\(Self.number(x + scale * $0.x)),\(Self.number(y + scale * $0.y))"
    }
    elements.append(
      corners.isEmpty
        ? "<circle class=\"\(name)\" cx=\"\(Self.number(x))\" cy=\"\(Self.number(y))\" r=\"\(Self.number(4.5 * scale))\"/>"
        : "<polygon class=\"\(name)\" points=\"\(corners.joined(separator: " "))\"/>")
  }

  private static func number(_ value: Double) -> String { NumberFormat.fixed(1).text(value) }
}
