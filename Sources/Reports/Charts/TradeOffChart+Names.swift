/// What is written at the marks: each series has its name in every panel, or a number where there are too many names for
/// a panel. The key below the panels says which name a number stands for.
extension TradeOffChart {
  struct Name {
    let text: String
    /// The point whose name it is.
    let owner: Placed
    let place: LabelPlacement.Place
    let isNumber: Bool
    /// That of its series.
    let style: SeriesStyle
  }

  /// Names that are written in full; with more of them a panel is a thicket.
  private static let mostNames = 10
  /// In the unit of the drawing; a longer one has a number.
  private static let longestName = 190.0
  private static let numberSize = 11.0
  /// How far from its mark a name still reads as the mark's.
  private static let nearReach = 40.0

  /// What stands at the marks of each panel.
  struct Naming {
    /// Of names in the key.
    var numbers: [String: Int]
    var panels: [[Name]]
  }

  /// With as few numbers as it takes that each series of each panel has its name, or its number, near a mark. Names in
  /// colour are rather further away than numbers.
  var naming: Naming {
    let series = panels.flatMap(\.points).grouped(\.name)
    let all = series.map(\.key)
    let long = all.filter { TextSize.width($0, size: SVGCanvas.fontSize) > Self.longestName }
    let short = series.filter { $0.elements[0].style.colour == nil }.map(\.key) + long
    let isCrowded = panels.contains { Set($0.points.map(\.name)).count > Self.mostNames }
    let attempts =
      (isCrowded ? [] : [(long, Self.nearReach)])
      + [(short, Self.nearReach), (short, .infinity), (all, .infinity)]
    let layouts = panels.indices.map(layout)
    var best: Naming?
    for (numbered, reach) in attempts {
      let ordered = all.filter(Set(numbered).contains).enumerated()
      let numbers = Dictionary(uniqueKeysWithValues: ordered.map { ($1, $0 + 1) })
      let naming = Naming(
        numbers: numbers, panels: layouts.map { names($0, numbers, within: reach) })
      best = naming
      let isWhole = zip(layouts, naming.panels).allSatisfy { layout, names in
        Set(names.map(\.owner.point.name)).count
          == Set(layout.series.map { $0[0].point.name }).count
      }
      if isWhole { break }
    }
    return best ?? Naming(numbers: [:], panels: [])
  }

  /// Each name once, at the point of its series that has the most room; those that nothing makes needless first. A number
  /// stands at the series' other points, too, where there is room beside them.
  private func names(_ panel: Layout, _ numbers: [String: Int], within reach: Double) -> [Name] {
    let first = panel.series.filter { $0.contains { !$0.point.isDominated } }
    let rest = panel.series.filter { $0.allSatisfy(\.point.isDominated) }
    // Who comes first takes the room of others: of two orders the better one.
    let tries = [first + rest, first + rest.reversed()].map {
      names($0, Self.placement(in: panel), numbers, within: reach)
    }
    return tries.min { $0.cost < $1.cost }?.names ?? []
  }

  private static func placement(in panel: Layout) -> LabelPlacement {
    let area = panel.area
    let placed = panel.series.flatMap(\.self)
    let whiskers = placed.flatMap { one -> [Box] in
      let upright = one.point.lossInterval.map {
        Box(left: one.x - 1, top: area.up($0.high), right: one.x + 1, bottom: area.up($0.low))
      }
      let lying = one.point.priceInterval.map {
        Box(
          left: area.across($0.low), top: one.y - 1, right: area.across($0.high), bottom: one.y + 1)
      }
      return [upright, lying].compactMap(\.self)
    }
    let zero = area.up(0)
    let lines =
      Box.pieces(along: [(area.box.left, zero), (area.box.right, zero)])
      + Box.pieces(along: panel.stair)
      + panel.series.flatMap { Box.pieces(along: $0.map { ($0.x, $0.y) }) }
    return LabelPlacement(
      in: area.box,
      around: placed.map { Box(around: $0.x, $0.y, reach: SeriesStyle.reach * $0.scale) },
      avoiding: whiskers + lines)
  }

  /// The names of series in their order; one that has no place costs more than any place.
  private func names(
    _ series: [[Placed]], _ placement: LabelPlacement, _ numbers: [String: Int],
    within reach: Double
  ) -> (names: [Name], cost: Double) {
    var placement = placement
    var (names, cost): ([Name], Double) = ([], 0)
    for series in series {
      let number = numbers[series[0].point.name]
      let text = number.map(String.init) ?? series[0].point.name
      // At its cheapest point, unless that is needless or has little room.
      let points = series.filter { !$0.point.isDominated } + series.filter(\.point.isDominated)
      let found = points.enumerated().compactMap { place, one in
        placement.best(text, near: one.x, one.y, size: Self.size(number), within: reach).map {
          (
            owner: one, best: $0,
            cost: $0.cost + 8 * Double(place) + (one.point.isDominated ? 12 : 0)
          )
        }
      }
      guard let best = found.min(by: { $0.cost < $1.cost }) else {
        cost += 10_000
        continue
      }
      placement.take(best.best)
      cost += best.cost
      names.append(
        Name(
          text: text, owner: best.owner, place: best.best.place, isNumber: number != nil,
          style: Self.style(of: series)))
    }
    let named = names.filter(\.isNumber).map(\.owner)
    for own in series {
      guard let number = numbers[own[0].point.name] else { continue }
      for one in own where !named.contains(where: { $0.point == one.point }) {
        guard
          let best = placement.best(
            "\(number)", near: one.x, one.y, size: Self.numberSize, within: 16)
        else { continue }
        placement.take(best)
        names.append(
          Name(
            text: "\(number)", owner: one, place: best.place, isNumber: true,
            style: Self.style(of: own)))
      }
    }
    return (names, cost)
  }

  private static func size(_ number: Int?) -> Double {
    number == nil ? SVGCanvas.fontSize : numberSize
  }

  func drawNames(_ names: [Name], on canvas: inout SVGCanvas) {
    for name in names {
      let (place, style) = (name.place, name.style.name)
      let size = name.isNumber ? Self.numberSize : SVGCanvas.fontSize
      canvas.group(strategy: name.owner.point.label) { canvas in
        if let leader = place.leader {
          canvas.line(leader.x1, leader.y1, leader.x2, leader.y2, "thin \(style)")
        }
        // What runs behind it strikes no name through.
        canvas.area(
          SVGCanvas.box(of: name.text, place.x, place.y, place.anchor, size: size), "ground")
        canvas.text(
          name.text, place.x, place.y, "name named\(name.isNumber ? " small" : "") \(style)",
          anchor: place.anchor, size: size)
      }
    }
  }

  // MARK: - The key

  private struct KeyEntry {
    let number: Int
    let point: Point
    /// Grey where it is so in every panel.
    let style: SeriesStyle

    static let markPlace = 28.0
    static let namePlace = 38.0

    var width: Double { Self.namePlace + 18 + TextSize.width(point.name, size: 12) }
  }

  private static let keyMargin = 20.0

  private func key(_ numbers: [String: Int]) -> [[KeyEntry]] {
    let entries = panels.flatMap(\.points).grouped(\.name).map(\.elements).compactMap { points in
      numbers[points[0].name].map { number in
        let standing = points.first { !$0.isDominated }
        return KeyEntry(
          number: number, point: points[0],
          style: standing?.style ?? points[0].style.grey)
      }
    }
    return LegendLines.of(
      entries.map(\.width), within: Self.width - 2 * Self.keyMargin
    ).map { $0.map { entries[$0] } }
  }

  func keyHeight(_ numbers: [String: Int]) -> Double { 19 * Double(key(numbers).count) }

  func drawKey(_ numbers: [String: Int], top: Double, on canvas: inout SVGCanvas) {
    for (number, line) in key(numbers).enumerated() {
      let y = top + 19 * (Double(number) + 0.5)
      var x = Self.keyMargin
      for entry in line {
        let text = TextSize.shortened(
          entry.point.name, size: 12,
          within: Self.width - x - KeyEntry.namePlace - Self.keyMargin)
        canvas.group(strategy: entry.point.label) { canvas in
          canvas.text(
            "\(entry.number)", x + 18, y + 4, "small named \(entry.style.name)", anchor: .end,
            size: Self.numberSize)
          canvas.mark(entry.style, x + KeyEntry.markPlace, y)
          canvas.text(text, x + KeyEntry.namePlace, y + 4, "named \(entry.style.name)")
        }
        x += entry.width
      }
    }
  }
}
