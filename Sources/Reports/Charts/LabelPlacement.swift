/// Finds places for names beside what they name, such that no two overlap, none covers a mark, and none leaves the area.
/// A name that does not stand right beside its mark is joined to it by a line, which crosses no other name.
///
/// Names are placed one after the other, the important ones first; one without room gets no place.
struct LabelPlacement {
  struct Place: Hashable {
    var x: Double
    /// Of the base line.
    var y: Double
    var anchor: SVGCanvas.Anchor
    /// From the edge of the mark to the name; nil right beside it.
    var leader: Leader?
  }

  struct Leader: Hashable {
    var x1: Double
    var y1: Double
    var x2: Double
    var y2: Double

    fileprivate var pieces: [Box] { Box.pieces(along: [(x1, y1), (x2, y2)]) }
  }

  /// A place that is free, and how bad it is.
  struct Candidate {
    var place: Place
    var cost: Double
    fileprivate var box: Box
  }

  private let area: Box
  private let marks: [Box]
  private var names: [Box] = []
  private var leaders: [Box] = []
  /// What names had better not cross: lines.
  private let avoided: [Box]

  init(in area: Box, around marks: [Box] = [], avoiding avoided: [Box] = []) {
    self.area = area
    self.marks = marks
    self.avoided = avoided
  }

  /// Takes the best place; nil where there is none.
  mutating func place(
    _ text: String, near x: Double, _ y: Double, size: Double = SVGCanvas.fontSize
  ) -> Place? {
    let best = best(text, near: x, y, size: size)
    if let best { take(best) }
    return best?.place
  }

  mutating func take(_ candidate: Candidate) {
    names.append(candidate.box)
    leaders += candidate.place.leader?.pieces ?? []
  }

  /// The place that crosses least, of those the nearest; nil where there is none.
  ///
  /// - Parameter reach: how far out it may be.
  func best(
    _ text: String, near x: Double, _ y: Double, size: Double = SVGCanvas.fontSize,
    within reach: Double = .infinity
  ) -> Candidate? {
    var best: Candidate?
    // Each costs at least its number.
    for (number, place) in Self.candidates(x, y, within: reach).enumerated()
    where Double(number) < best?.cost ?? .infinity {
      guard let candidate = candidate(place, number, text, x, y, size),
        candidate.cost < best?.cost ?? .infinity
      else { continue }
      best = candidate
    }
    return best
  }

  private func candidate(
    _ place: Place, _ number: Int, _ text: String, _ x: Double, _ y: Double, _ size: Double
  ) -> Candidate? {
    var place = place
    if place.anchor == .middle {
      // Above or below a mark near the edge a name need not have its middle there.
      let half = TextSize.width(text, size: size) / 2 + 0.5
      place.x = max(area.left + half, min(place.x, area.right - half))
    }
    let box = SVGCanvas.box(of: text, place.x, place.y, place.anchor, size: size)
    guard area.holds(box), marks.overlapping(box) == 0, names.overlapping(box) == 0,
      leaders.overlapping(box) == 0
    else { return nil }
    place.leader = Self.leader(from: x, y, to: box)
    // A line that is crossed is about as bad as a place further out.
    var cost = 10 * Double(avoided.overlapping(box)) + Double(number)
    for piece in place.leader?.pieces ?? [] {
      if names.overlapping(piece) > 0 { return nil }
      cost += 3 * Double(leaders.overlapping(piece))
    }
    // It would be taken for another's: that stands as near, or that its line passes.
    let near = place.leader == nil ? box.distance(to: x, y) + 4 : 10
    for mark in marks where (mark.middle, mark.centre) != (x, y) {
      if box.distance(to: mark.middle, mark.centre) < near { cost += 15 }
      if place.leader?.pieces.contains(where: mark.overlaps) == true { cost += 25 }
    }
    return Candidate(place: place, cost: cost, box: box)
  }

  private static func leader(from x: Double, _ y: Double, to box: Box) -> Leader? {
    let end = box.nearest(to: x, y)
    let distance = box.distance(to: x, y)
    guard distance > 12 else { return nil }
    let share = (SeriesStyle.reach + 1) / distance
    return Leader(
      x1: x + share * (end.x - x), y1: y + share * (end.y - y), x2: end.x, y2: end.y)
  }

  /// Beside, above and below, then at the corners and between, then the same further out.
  private static func candidates(_ x: Double, _ y: Double, within reach: Double) -> [Place] {
    [9.0, 16, 26, 38, 52, 68, 86, 106].filter { $0 <= reach }.flatMap { distance -> [Place] in
      let beside = [
        Place(x: x + distance, y: y + 4, anchor: .start),
        Place(x: x - distance, y: y + 4, anchor: .end),
        Place(x: x, y: y - distance, anchor: .middle),
        Place(x: x, y: y + distance + 8, anchor: .middle),
      ]
      let slanted = [(0.7, 0.7), (0.9, 0.4), (0.4, 0.9)].flatMap { across, up -> [Place] in
        [
          Place(x: x + across * distance, y: y - up * distance, anchor: .start),
          Place(x: x + across * distance, y: y + up * distance + 8, anchor: .start),
          Place(x: x - across * distance, y: y - up * distance, anchor: .end),
          Place(x: x - across * distance, y: y + up * distance + 8, anchor: .end),
        ]
      }
      // Near the mark the corners are all that differs.
      return beside + (distance < 20 ? Array(slanted.prefix(4)) : slanted)
    }
  }
}

extension [Box] {
  fileprivate func overlapping(_ box: Box) -> Int {
    var count = 0
    for other in self where other.overlaps(box) { count += 1 }
    return count
  }
}
