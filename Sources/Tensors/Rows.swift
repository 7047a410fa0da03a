/// Consecutive rows of a row-major buffer (count x width), shared without copying.
///
/// Meant to be made, read and dropped within one call: while it lives, writing to the buffer it
/// came from costs a copy (never a wrong number).
public struct Rows: Sendable {
  /// The whole buffer; the rows begin at `firstElement`.
  public let elements: [Float]
  public let firstElement: Int
  public let count: Int
  public let width: Int
  /// The attention scale, where the rows are keys: the logit of a query q is `scale · q·row`.
  public let scale: Double

  public init(elements: [Float], firstElement: Int, count: Int, width: Int, scale: Double) {
    precondition(
      firstElement >= 0 && firstElement + count * width <= elements.count,
      "Rows: \(count) x \(width) from \(firstElement) of \(elements.count) elements")
    self.elements = elements
    self.firstElement = firstElement
    self.count = count
    self.width = width
    self.scale = scale
  }

  /// All elements, (count x width).
  public var span: Span<Float> {
    @_lifetime(borrow self)
    get { elements.span.extracting(firstElement..<firstElement + count * width) }
  }

  /// One row.
  @_lifetime(borrow self)
  public func row(_ index: Int) -> Span<Float> {
    elements.span.extracting(firstElement + index * width..<firstElement + (index + 1) * width)
  }
}
