/// Is the needle found? Depth down, context length across, a grid for each strategy; each cell says how often of how many.
public struct DepthChart: Chart {
  struct Cell: Sendable, Hashable {
    /// Mean, 0…1.
    var score: Double
    var count: Int
    var interval: Interval?
  }

  struct Panel: Sendable, Hashable {
    /// The strategy, as everywhere else.
    var label: String
    /// By depth, then length; nil where there were no prompts.
    var cells: [[Cell?]]
  }

  public var title: String
  public var caption: String
  /// Shares of the context, 0 is its beginning.
  var depths: [String]
  var lengths: [Int]
  var panels: [Panel]
}

extension DepthChart {
  private static let width = 940.0
  private static let cellSize = (width: 74.0, height: 28.0)
  private static let names = 66.0

  private var panelWidth: Double {
    max(200, Self.names + Self.cellSize.width * Double(lengths.count) + 24)
  }
  private var columns: Int { max(1, min(panels.count, Int((Self.width - 20) / panelWidth))) }
  private var panelHeight: Double {
    labelHeight + Self.cellSize.height * Double(depths.count) + 44
  }

  private func labelLines(_ panel: Panel) -> [String] {
    TextSize.lines(panel.label, size: SVGCanvas.strongSize, within: panelWidth - 16)
  }
  private var labelHeight: Double {
    14 + 16 * Double(panels.map { labelLines($0).count }.max() ?? 1)
  }

  public var size: ChartSize {
    let rows = Double((panels.count + columns - 1) / columns)
    return ChartSize(width: max(Self.width, panelWidth + 20), height: 24 + rows * panelHeight)
  }

  public func draw(on canvas: inout SVGCanvas) {
    canvas.text(
      "In each cell the mean score (↑ better) and, behind the stroke, how many prompts.", 20, 14,
      "small soft", size: 11)
    for (number, panel) in panels.enumerated() {
      draw(
        panel, left: 20 + Double(number % columns) * panelWidth,
        top: 24 + Double(number / columns) * panelHeight, on: &canvas)
    }
  }

  private func draw(
    _ panel: Panel, left: Double, top: Double, on canvas: inout SVGCanvas
  ) {
    let (width, height) = Self.cellSize
    let grid = Box(
      left: left + Self.names, top: top + labelHeight,
      right: left + Self.names + width * Double(lengths.count),
      bottom: top + labelHeight + height * Double(depths.count))
    canvas.group(strategy: panel.label) { canvas in
      for (line, text) in labelLines(panel).enumerated() {
        canvas.text(
          text, left, top + 18 + 16 * Double(line), "ink strong", size: SVGCanvas.strongSize)
      }
      for (row, cells) in panel.cells.enumerated() {
        for (column, cell) in cells.enumerated() {
          guard let cell else { continue }
          let box = Box(
            left: grid.left + width * Double(column) + 1, top: grid.top + height * Double(row) + 1,
            right: grid.left + width * Double(column + 1) - 1,
            bottom: grid.top + height * Double(row + 1) - 1)
          draw(
            cell, box,
            "\(panel.label), depth \(depths[row]), \(NumberFormat.counted(lengths[column], "token"))",
            on: &canvas)
        }
      }
    }
    for (row, depth) in depths.enumerated() {
      canvas.text(
        depth, grid.left - 6, grid.top + height * (Double(row) + 0.5) + 4, "small soft",
        anchor: .end, size: 11)
    }
    for (column, length) in lengths.enumerated() {
      canvas.text(
        Self.short(length), grid.left + width * (Double(column) + 0.5), grid.bottom + 14,
        "small soft", anchor: .middle, size: 11)
    }
    canvas.text("depth, context length", left, grid.bottom + 32, "small soft", size: 11)
  }

  private func draw(_ cell: Cell, _ box: Box, _ place: String, on canvas: inout SVGCanvas) {
    let two = NumberFormat.fixed(2)
    let interval = cell.interval.map { " " + two.text($0) } ?? ", no interval"
    // Pale enough for the text in it.
    canvas.area(
      box, "cell c3", opacity: 0.04 + 0.5 * min(1, max(0, cell.score)),
      hover:
        "\(place): \(two.text(cell.score))\(interval) of \(NumberFormat.counted(cell.count, "prompt"))"
    )
    canvas.text(
      "\(two.text(cell.score)) / \(cell.count)", box.middle, box.centre + 4, "small ink",
      anchor: .middle, size: 11)
  }

  /// `8K` of 8,192; others as they are.
  private static func short(_ length: Int) -> String {
    length >= 1024 && length % 1024 == 0 ? "\(length / 1024)K" : NumberFormat.count(length)
  }
}
