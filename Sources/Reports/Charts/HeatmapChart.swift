/// Maps side by side on one sequential scale, a map for each strategy: layers down, and across their heads, or the
/// places in a prompt.
public struct HeatmapChart: Chart {
  struct Panel: Sendable, Hashable {
    /// The strategy, as everywhere else.
    var label: String
    /// By row, then column; nil where nothing was measured.
    var values: [[Double?]]
  }

  /// What a map's rows or columns are, and the words at its ends.
  struct Side: Sendable, Hashable {
    var name: String
    var first = "0"
    /// The last one's number if not given.
    var last: String?
  }

  public var title: String
  public var caption: String
  /// What a cell shows, with its direction.
  var figure: String
  var panels: [Panel]
  var down = Side(name: "layer")
  var across = Side(name: "head")
  /// What the scale goes from and to, if not from the least to the largest value.
  var scale: Interval?

  private var range: Interval {
    if let scale { return scale }
    let values = panels.flatMap { $0.values.joined().compactMap { $0 } }.filter(\.isFinite)
    return Interval(low: values.min() ?? 0, high: values.max() ?? 1)
  }
}

extension HeatmapChart {
  private static let width = 940.0
  private static let perRow = 4
  private static let panelGap = 22.0

  private var rowCount: Int { panels.map(\.values.count).max() ?? 0 }
  private var columnCount: Int { panels.flatMap { $0.values.map(\.count) }.max() ?? 0 }
  private var columns: Int { max(1, min(Self.perRow, panels.count)) }
  private var panelWidth: Double { min(260, (Self.width - 60) / Double(columns)) }
  private var cellWidth: Double {
    min(26, (panelWidth - 34 - Self.panelGap) / Double(max(1, columnCount)))
  }
  private var cellHeight: Double { min(14, max(3, 330 / Double(max(1, rowCount)))) }
  private var panelHeight: Double { labelHeight + cellHeight * Double(rowCount) + 38 }

  private func labelLines(_ panel: Panel) -> [String] {
    TextSize.lines(panel.label, size: SVGCanvas.strongSize, within: panelWidth - 34)
  }
  private var labelHeight: Double {
    8 + 16 * Double(panels.map { labelLines($0).count }.max() ?? 1)
  }

  public var size: ChartSize {
    let rows = Double((panels.count + columns - 1) / columns)
    return ChartSize(width: Self.width, height: 44 + rows * panelHeight)
  }

  public func draw(on canvas: inout SVGCanvas) {
    drawScale(on: &canvas)
    for (number, panel) in panels.enumerated() {
      draw(
        panel, left: 20 + Double(number % columns) * panelWidth,
        top: 44 + Double(number / columns) * panelHeight, isFirst: number % columns == 0,
        on: &canvas)
    }
  }

  private static let levelCount = 32.0

  /// Of a share of the scale; something can be seen of the least, too.
  private static func shade(_ share: Double) -> Double { 0.05 + 0.95 * share }

  /// The cells of a map by how dark they are, 0…``levelCount``.
  private func levels(of panel: Panel, in map: Box) -> [Int: [Box]] {
    let range = range
    let width = range.high - range.low
    let span = width > 0 && width.isFinite ? width : 1
    var levels: [Int: [Box]] = [:]
    for (row, values) in panel.values.enumerated() {
      let shown = values.map { value in
        value.flatMap {
          $0.isFinite
            ? Int(
              min(Self.levelCount, max(0, (($0 - range.low) / span * Self.levelCount).rounded())))
            : nil
        }
      }
      // Neighbours of one level are one area.
      var column = 0
      while column < shown.count {
        let end = shown[column...].firstIndex { $0 != shown[column] } ?? shown.count
        defer { column = end }
        guard let level = shown[column] else { continue }
        levels[level, default: []].append(
          Box(
            left: map.left + cellWidth * Double(column), top: map.top + cellHeight * Double(row),
            right: map.left + cellWidth * Double(end),
            bottom: map.top + cellHeight * Double(row + 1)))
      }
    }
    return levels
  }

  private func drawScale(on canvas: inout SVGCanvas) {
    let range = range
    let steps = 24
    let text = NumberFormat.significant
    canvas.text(figure, 20, 16, "ink")
    let left = 20 + TextSize.width(figure, size: 12) + 14
    canvas.text(text.text(range.low), left, 16, "small soft", size: 11)
    let bar = left + TextSize.width(text.text(range.low), size: 11) + 6
    for step in 0..<steps {
      let share = (Double(step) + 0.5) / Double(steps)
      canvas.area(
        Box(left: bar + 6 * Double(step), top: 6, right: bar + 6 * Double(step + 1), bottom: 18),
        "cell c1", opacity: Self.shade(share))
    }
    canvas.text(text.text(range.high), bar + 6 * Double(steps) + 6, 16, "small soft", size: 11)
  }

  private func draw(
    _ panel: Panel, left: Double, top: Double, isFirst: Bool, on canvas: inout SVGCanvas
  ) {
    let map = Box(
      left: left + 34, top: top + labelHeight, right: left + 34 + cellWidth * Double(columnCount),
      bottom: top + labelHeight + cellHeight * Double(rowCount))
    let values = panel.values.joined().compactMap { $0 }
    let text = NumberFormat.significant
    let hover =
      "\(panel.label): from \(text.text(values.min())) to \(text.text(values.max())), median "
      + text.text(values.quantile(0.5))
    canvas.group(strategy: panel.label, hover: hover) { canvas in
      for (line, text) in labelLines(panel).enumerated() {
        canvas.text(
          text, map.left, top + 14 + 16 * Double(line), "ink strong", size: SVGCanvas.strongSize)
      }
      for (level, cells) in levels(of: panel, in: map).sorted(by: { $0.key < $1.key }) {
        canvas.areas(cells, "cell c1", opacity: Self.shade(Double(level) / Self.levelCount))
      }
    }
    for (row, text) in [(0, down.first), (rowCount - 1, down.last ?? "\(rowCount - 1)")]
    where rowCount > 1 || row == 0 {
      canvas.text(
        text, map.left - 5, map.top + cellHeight * (Double(row) + 0.5) + 4, "small soft",
        anchor: .end, size: 11)
    }
    if isFirst { canvas.sideText(down.name, map.left - 24, map.centre, "small soft") }
    canvas.text(across.first, map.left, map.bottom + 14, "small soft", size: 11)
    if map.width > 90 {
      canvas.text(across.name, map.middle, map.bottom + 14, "small soft", anchor: .middle, size: 11)
    }
    if columnCount > 1, map.width > 30 {
      canvas.text(
        across.last ?? "\(columnCount - 1)", map.right, map.bottom + 14, "small soft", anchor: .end,
        size: 11)
    }
  }
}
