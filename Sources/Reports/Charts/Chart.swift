/// A chart as a value. A new kind is a file: what the chart holds, and how it is drawn.
public protocol Chart: Sendable {
  /// The question that it answers.
  var title: String { get }
  /// What it shows of what: model, weights, texts, clusters, how to read it.
  var caption: String { get }
  /// What drawing takes, without title and caption.
  var size: ChartSize { get }

  /// Draws everything but title and caption, from the upper left corner on.
  func draw(on canvas: inout SVGCanvas)
}

/// In units of the drawing, which are pixels where it is not scaled.
public struct ChartSize: Sendable, Hashable {
  public var width: Double
  public var height: Double
}
