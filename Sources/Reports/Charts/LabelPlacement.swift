/// Finds places for names beside what they name, such that no two overlap, none covers a mark, and none leaves the area.
///
/// Names are placed one after the other, the important ones first; one without room gets no place.
struct LabelPlacement {
  struct Place: Hashable {
    var x: Double
    /// Of the base line.
    var y: Double
    var anchor: SVGCanvas.Anchor
  }

  private let area: Box
  private var taken: [Box]
  /// What names had better not cross: lines.
  private let avoided: [Box]

  init(in area: Box, around taken: [Box] = [], avoiding avoided: [Box] = []) {
    self.area = area
    self.taken = taken
    self.avoided = avoided
  }

  /// The place that crosses least, of those the nearest; nil where there is none.
  mutating func place(
    _ text: String, near x: Double, _ y: Double, size: Double = SVGCanvas.fontSize
  ) -> Place? {
    let free = Self.candidates(x, y).enumerated().compactMap { number, place in
      let box = SVGCanvas.box(of: text, place.x, place.y, place.anchor, size: size)
      return area.holds(box) && !taken.contains(where: box.overlaps)
        ? (place: place, box: box, cost: avoided.count(where: box.overlaps), number: number) : nil
    }
    // A piece of a line that is crossed is as bad as six places further out.
    guard let best = free.min(by: { 6 * $0.cost + $0.number < 6 * $1.cost + $1.number }) else {
      return nil
    }
    taken.append(best.box)
    return best.place
  }

  /// Beside, above and below, then at the corners, then the same further out.
  private static func candidates(_ x: Double, _ y: Double) -> [Place] {
    [9.0, 16, 26].flatMap { distance -> [Place] in
      let slant = 0.7 * distance
      return [
        Place(x: x + distance, y: y + 4, anchor: .start),
        Place(x: x - distance, y: y + 4, anchor: .end),
        Place(x: x, y: y - distance, anchor: .middle),
        Place(x: x, y: y + distance + 8, anchor: .middle),
        Place(x: x + slant, y: y - slant, anchor: .start),
        Place(x: x + slant, y: y + slant + 8, anchor: .start),
        Place(x: x - slant, y: y - slant, anchor: .end),
        Place(x: x - slant, y: y + slant + 8, anchor: .end),
      ]
    }
  }
}
