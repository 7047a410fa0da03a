extension LineChart {
  private static let left = 80.0
  private static let right = 590.0
  private static let top = 48.0
  private static let bottom = 410.0

  public func draw(on canvas: inout SVGCanvas) {
    let points = series.flatMap(\.points)
    let across = AxisScale(x, values: points.map(\.x))
    let up = AxisScale(y, values: points.map(\.y))
    func horizontal(_ value: Double) -> Double {
      Self.left + across.share(value) * (Self.right - Self.left)
    }
    func vertical(_ value: Double) -> Double {
      Self.bottom - up.share(value) * (Self.bottom - Self.top)
    }
    for tick in across.ticks {
      let place = horizontal(tick)
      canvas.line(place, Self.top, place, Self.bottom, colour: "#dddddd")
      canvas.label(across.text(tick), place, Self.bottom + 18, anchor: "middle")
    }
    for tick in up.ticks {
      let place = vertical(tick)
      canvas.line(Self.left, place, Self.right, place, colour: "#dddddd")
      canvas.label(up.text(tick), Self.left - 8, place + 4, anchor: "end")
    }
    canvas.line(Self.left, Self.bottom, Self.right, Self.bottom, colour: "#333333")
    canvas.line(Self.left, Self.top, Self.left, Self.bottom, colour: "#333333")
    canvas.label(x.label, (Self.left + Self.right) / 2, Self.bottom + 44, anchor: "middle")
    canvas.sideLabel(y.label, 18, (Self.top + Self.bottom) / 2)
    for (number, series) in series.enumerated() {
      let places = series.points.map { (x: horizontal($0.x), y: vertical($0.y)) }
      if places.count > 1 { canvas.curve(places, series: number) }
      for place in places { canvas.mark(place.x, place.y, series: number) }
    }
    for (number, series) in series.enumerated() {
      let place = Self.top + 10 + 20 * Double(number)
      canvas.sample(Self.right + 16, Self.right + 44, place, series: number)
      canvas.mark(Self.right + 30, place, series: number)
      canvas.label(Self.shortened(series.name), Self.right + 52, place + 4)
    }
  }

  /// As much of a name as the margin holds.
  private static func shortened(_ name: String) -> String {
    name.count <= 36 ? name : name.prefix(35) + "…"
  }
}
