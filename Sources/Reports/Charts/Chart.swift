/// A chart as a value. A new kind is a file: what the chart holds, and how it is drawn.
public protocol Chart: Sendable {
  var title: String { get }

  /// Draws everything but the title.
  func draw(on canvas: inout SVGCanvas)
}
