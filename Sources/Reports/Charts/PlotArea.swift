/// The part of a chart that two axes span: where values lie, and how grid, ticks and whiskers are drawn.
struct PlotArea {
  let box: Box
  let x: AxisScale
  let y: AxisScale

  func across(_ value: Double) -> Double { box.left + x.share(value) * box.width }

  func up(_ value: Double) -> Double { box.bottom - y.share(value) * box.height }

  /// Grid lines with their numbers, left and below.
  func drawGrid(
    on canvas: inout SVGCanvas, xText: (Double) -> String = AxisScale.text,
    yText: (Double) -> String = AxisScale.text
  ) {
    var end = -Double.infinity
    for tick in x.ticks {
      let place = across(tick)
      canvas.line(place, box.top, place, box.bottom, "grid")
      // Numbers that would run into each other are left out.
      let half = TextSize.width(xText(tick), size: 11) / 2
      guard place - half > end + 4 else { continue }
      end = place + half
      canvas.text(xText(tick), place, box.bottom + 16, "small soft", anchor: .middle, size: 11)
    }
    for tick in y.ticks {
      let place = up(tick)
      canvas.line(box.left, place, box.right, place, tick == 0 ? "axis" : "grid")
      canvas.text(yText(tick), box.left - 6, place + 4, "small soft", anchor: .end, size: 11)
    }
    canvas.line(box.left, box.bottom, box.right, box.bottom, "axis")
    canvas.line(box.left, box.top, box.left, box.bottom, "axis")
  }

  /// An upright line over the interval; an arrow's head where it goes on beyond the area.
  /// - Parameters:
  ///   - place: on the drawing, from the left.
  ///   - bar: half of the bars at the ends that are inside; none for 0.
  func drawWhisker(
    at place: Double, _ interval: Interval, _ style: SeriesStyle, bar: Double = 0,
    on canvas: inout SVGCanvas
  ) {
    let (low, high) = (up(interval.low), up(interval.high))
    canvas.line(
      place, max(box.top, high), place, min(box.bottom, low), "whisker \(style.name)")
    for end in [high, low] where bar > 0 && box.top...box.bottom ~= end {
      canvas.line(place - bar, end, place + bar, end, "whisker \(style.name)")
    }
    if high < box.top {
      canvas.curve(
        [(place - 3, box.top + 4), (place, box.top), (place + 3, box.top + 4)],
        "thin \(style.name)")
    }
    if low > box.bottom {
      canvas.curve(
        [(place - 3, box.bottom - 4), (place, box.bottom), (place + 3, box.bottom - 4)],
        "thin \(style.name)")
    }
  }

  /// The same lying down.
  /// - Parameter place: on the drawing, from the top.
  func drawLyingWhisker(
    at place: Double, _ interval: Interval, _ style: SeriesStyle, on canvas: inout SVGCanvas
  ) {
    let (low, high) = (across(interval.low), across(interval.high))
    canvas.line(
      max(box.left, low), place, min(box.right, high), place, "whisker \(style.name)")
    if low < box.left {
      canvas.curve(
        [(box.left + 4, place - 3), (box.left, place), (box.left + 4, place + 3)],
        "thin \(style.name)")
    }
    if high > box.right {
      canvas.curve(
        [(box.right - 4, place - 3), (box.right, place), (box.right - 4, place + 3)],
        "thin \(style.name)")
    }
  }
}
