/// Lines over two axes.
public struct LineChart: Chart, Hashable {
  public struct Axis: Sendable, Hashable {
    public enum Scale: Sendable, Hashable {
      case linear, logarithmic
    }

    /// What it shows, with its unit.
    public var label: String
    public var scale: Scale
    /// Places for ticks, if the usual ones won't do.
    public var ticks: [Double]?
  }

  public struct Point: Sendable, Hashable {
    public var x: Double
    public var y: Double
  }

  /// Points under one name, joined in their order.
  public struct Series: Sendable, Hashable {
    public var name: String
    public var points: [Point]
  }

  public var title: String
  public var x: Axis
  public var y: Axis
  public var series: [Series]

  /// Points that an axis cannot show (not finite, or not positive on a logarithmic one) are left
  /// out, and series without any with them.
  init(title: String, x: Axis, y: Axis, series: [Series]) {
    self.title = title
    self.x = x
    self.y = y
    self.series = series.compactMap { series in
      let points = series.points.filter { x.canShow($0.x) && y.canShow($0.y) }
      return points.isEmpty ? nil : Series(name: series.name, points: points)
    }
  }
}

extension LineChart.Point {
  /// Of two cells, in the units that they are shown in; nil where either holds no number.
  init?(_ x: ReportCell, _ y: ReportCell) {
    guard let x = x.shownValue, let y = y.shownValue else { return nil }
    self.init(x: x, y: y)
  }
}

extension LineChart.Axis {
  fileprivate func canShow(_ value: Double) -> Bool {
    value.isFinite && (scale == .linear || value > 0)
  }
}
