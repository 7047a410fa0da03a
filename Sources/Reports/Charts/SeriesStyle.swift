/// How the marks of a series look: by colour and by shape, so that either is enough to tell them apart.
public struct SeriesStyle: Sendable, Hashable {
  /// One of ``SeriesStyle/colourCount``; nil for grey.
  var colour: Int?
  /// One of ``SeriesStyle/shapeCount``.
  var shape: Int

  /// More could not be told apart.
  static let colourCount = 7
  static let shapeCount = 7

  /// The same in grey: what something else makes needless.
  var grey: SeriesStyle { SeriesStyle(colour: nil, shape: shape) }

  /// Of the style sheet.
  var name: String { colour.map { "c\($0)" } ?? "rest" }

  /// The corners of a mark around 0, 0; none for a circle.
  var corners: [(x: Double, y: Double)] {
    switch shape % Self.shapeCount {
    case 1: [(-4, -4), (4, -4), (4, 4), (-4, 4)]
    case 2: [(0, -5.2), (5, 3.8), (-5, 3.8)]
    case 3: [(0, -5.6), (5.6, 0), (0, 5.6), (-5.6, 0)]
    case 4: [(0, 5.2), (5, -3.8), (-5, -3.8)]
    case 5:
      [
        (-1.8, -5), (1.8, -5), (1.8, -1.8), (5, -1.8), (5, 1.8), (1.8, 1.8), (1.8, 5), (-1.8, 5),
        (-1.8, 1.8), (-5, 1.8), (-5, -1.8), (-1.8, -1.8),
      ]
    case 6: [(-2.9, -5), (2.9, -5), (5.8, 0), (2.9, 5), (-2.9, 5), (-5.8, 0)]
    default: []
    }
  }

  /// How far a mark reaches from its middle, in any direction.
  static let reach = 6.0
}
