import Records

/// How strategies look in every figure of a report: a series, which is a strategy at all of its budgets, has one colour
/// and one shape.
struct StrategyStyles {
  private let styles: [String: SeriesStyle]

  /// Full comes first, then what holds its ground somewhere: full in other formats, which all else is held against, then
  /// the others by the number of places, and by that of the places where nothing cheaper loses less; then the rest in
  /// grey. Equal ones in the order of the plan.
  init(_ rows: [AnalysedRow], _ points: [ParetoPoint]) {
    let standing = Dictionary(grouping: points.filter(\.dominators.isEmpty), by: \.row.seriesName)
    let reference = rows.first(where: \.row.isFull)
    let full = reference?.seriesName
    let formats = Set(
      rows.filter { $0.cell.strategy == reference?.cell.strategy }.map(\.seriesName))
    func places(_ name: String) -> Int {
      let count = points.isEmpty ? 1 : standing[name]?.count ?? 0
      return name == full ? .max : formats.contains(name) && count > 0 ? .max - 1 : count
    }
    let best = Dictionary(grouping: points.filter(\.isLeast), by: \.row.seriesName)
    func rank(_ name: String, _ offset: Int) -> (Int, Int, Int) {
      (-places(name), -(best[name]?.count ?? 0), offset)
    }
    let ordered = rows.grouped(\.seriesName).map(\.key).enumerated()
      .sorted { rank($0.element, $0.offset) < rank($1.element, $1.offset) }
      .map(\.element)
    styles = Dictionary(
      uniqueKeysWithValues: ordered.enumerated().map { place, name in
        let isShown = place < SeriesStyle.colourCount && places(name) > 0
        return (
          name,
          SeriesStyle(colour: isShown ? place : nil, shape: place % SeriesStyle.shapeCount)
        )
      })
  }

  func style(of row: AnalysedRow) -> SeriesStyle {
    styles[row.seriesName] ?? SeriesStyle(colour: nil, shape: 0)
  }
}

extension AnalysedRow {
  /// What its cells at other budgets have in common: `snapkv` of `snapkv meanKvBytes=0.25`, `full q4_0` of
  /// `full cache=q4_0`, `tca threshold=0.9 blockSize=32 meanMass` of two numbers, `minference + snapkv` of a composition.
  var seriesName: String {
    var words = Self.words(of: label)
    guard words.first == cell.strategy else { return label }
    if let end = words.firstIndex(of: "matching") { words.removeSubrange(end...) }
    let parameters = words.dropFirst().compactMap { word -> (name: String, value: String)? in
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard parts.count == 2 else { return ("", word) }
      return CellBudget.forms.contains(parts[0]) ? nil : (parts[0], parts[1])
    }
    // One number goes without the name of its parameter, several would not be told apart.
    func needsName(_ parameter: (name: String, value: String)) -> Bool {
      Double(parameter.value) != nil || ["true", "false"].contains(parameter.value)
    }
    let isNamed = parameters.count(where: needsName) > 1
    let values = parameters.map {
      isNamed && needsName($0) ? "\($0.name)=\($0.value)" : $0.value
    }
    let isMade = cell.parametersWithParts.count > 1
    return isMade && !values.isEmpty
      ? values.joined(separator: " + ")
      : ([cell.strategy] + values).joined(separator: " ")
  }

  /// Split at blanks that do not stand in brackets.
  private static func words(of label: String) -> [String] {
    var words = [""]
    var depth = 0
    for character in label {
      if character == "(" { depth += 1 }
      if character == ")" { depth -= 1 }
      if character == " ", depth == 0 {
        words.append("")
      } else {
        words[words.count - 1].append(character)
      }
    }
    return words
  }
}
