/// The colours of a drawing.
public enum ChartTheme: Sendable, Hashable, CaseIterable {
  /// As the reader's system prefers.
  case automatic
  case light, dark

  /// The style sheet of a drawing; its rules hold inside of elements of class `tca-figure` only.
  var styleSheet: String {
    switch self {
    case .light: Self.shapes + Colours.light.rules
    case .dark: Self.shapes + Colours.dark.rules
    case .automatic:
      Self.shapes + Colours.light.rules + "@media (prefers-color-scheme: dark) {\n"
        + Colours.dark.rules + "}\n"
    }
  }

  /// What both have in common.
  private static let shapes = rules([
    (".title", "font-size: 15px; font-weight: 600"), (".small", "font-size: 11px"),
    (".strong", "font-weight: 600"), (".grid", "stroke-width: 1"), (".axis", "stroke-width: 1"),
    (".line", "fill: none; stroke: currentColor; stroke-width: 1.8"),
    (".thin", "fill: none; stroke: currentColor; stroke-width: 1.2; stroke-opacity: 0.55"),
    (".whisker", "stroke: currentColor; stroke-width: 1.4; stroke-opacity: 0.7"),
    (".frontier", "fill: none; stroke-width: 1.4; stroke-dasharray: 5 3"),
    (".mark", "fill: currentColor; stroke-width: 1"),
    (".cell", "fill: currentColor"),
    (".name", "paint-order: stroke; stroke-width: 3px; stroke-linejoin: round"),
    (".hit", "fill: none; stroke: none; pointer-events: all"),
  ])

  fileprivate static func rules(_ rules: [(selector: String, style: String)]) -> String {
    rules.map { ".tca-figure \($0.selector) { \($0.style) }\n" }.joined()
  }
}

/// Of one theme. The seven of series differ from each other by at least 12 in CIELAB for normal sight and under
/// simulated protanopia, deuteranopia and tritanopia, by at least 6 in lightness alone, and from the ground by a
/// contrast of 3 to 1.
struct Colours {
  let ground: String
  let ink: String
  let soft: String
  let grid: String
  let rest: String
  let series: [String]

  static let light = Colours(
    ground: "#ffffff", ink: "#1b1f24", soft: "#57606a", grid: "#e4e7eb", rest: "#8f969e",
    series: ["#111724", "#00528d", "#d43800", "#009570", "#6b1950", "#7840c8", "#c48900"])
  static let dark = Colours(
    ground: "#14171c", ink: "#e8eaed", soft: "#a7aeb6", grid: "#2c313a", rest: "#7d858e",
    series: ["#f5f7f9", "#68befb", "#ff7632", "#81e0bd", "#d92990", "#9f71ef", "#fce08e"])

  var rules: String {
    ChartTheme.rules(
      [
        (".ground", "fill: \(ground)"), (".ink", "fill: \(ink)"), (".soft", "fill: \(soft)"),
        (".grid", "stroke: \(grid)"), (".axis", "stroke: \(soft)"), (".frontier", "stroke: \(ink)"),
        (".mark", "stroke: \(ground)"),
        (".hollow", "fill: \(ground); stroke: currentColor; stroke-width: 1.6"),
        (".name", "stroke: \(ground)"), (".named", "fill: currentColor"),
        (".rest", "color: \(rest)"),
      ] + series.enumerated().map { (".c\($0.offset)", "color: \($0.element)") })
  }
}
