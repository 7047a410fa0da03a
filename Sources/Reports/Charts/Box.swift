/// A rectangle on a drawing; y grows downwards.
struct Box: Hashable {
  var left: Double
  var top: Double
  var right: Double
  var bottom: Double

  init(left: Double, top: Double, right: Double, bottom: Double) {
    self.left = left
    self.top = top
    self.right = right
    self.bottom = bottom
  }

  init(around x: Double, _ y: Double, reach: Double) {
    self.init(left: x - reach, top: y - reach, right: x + reach, bottom: y + reach)
  }

  var width: Double { right - left }
  var height: Double { bottom - top }
  var middle: Double { (left + right) / 2 }
  var centre: Double { (top + bottom) / 2 }

  func overlaps(_ other: Box) -> Bool {
    left < other.right && other.left < right && top < other.bottom && other.top < bottom
  }

  func holds(_ other: Box) -> Bool {
    left <= other.left && other.right <= right && top <= other.top && other.bottom <= bottom
  }

  /// Of its places the one that lies nearest.
  func nearest(to x: Double, _ y: Double) -> (x: Double, y: Double) {
    (min(max(x, left), right), min(max(y, top), bottom))
  }

  func distance(to x: Double, _ y: Double) -> Double {
    let place = nearest(to: x, y)
    return ((place.x - x) * (place.x - x) + (place.y - y) * (place.y - y)).squareRoot()
  }

  /// Pieces of lines through these places, small enough to stand for a slanted one.
  static func pieces(along places: [(x: Double, y: Double)]) -> [Box] {
    zip(places, places.dropFirst()).flatMap { one, next -> [Box] in
      let isStraight = one.x == next.x || one.y == next.y
      let count =
        isStraight ? 1 : max(1, Int(max(abs(next.x - one.x), abs(next.y - one.y)) / 8))
      return (0..<count).map { piece in
        let (from, to) = (Double(piece) / Double(count), Double(piece + 1) / Double(count))
        let x = [from, to].map { one.x + $0 * (next.x - one.x) }.sorted()
        let y = [from, to].map { one.y + $0 * (next.y - one.y) }.sorted()
        return Box(left: x[0] - 1, top: y[0] - 1, right: x[1] + 1, bottom: y[1] + 1)
      }
    }
  }
}
