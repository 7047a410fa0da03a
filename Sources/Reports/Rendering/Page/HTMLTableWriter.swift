import Records

/// Tables as HTML, without the closing tags that HTML does not need: there are tens of thousands of cells.
///
/// What all rows have in common stands once, above. Left of the strategy, an empty cell says the same as the one above it;
/// a cell with an empty `data-strategy` names the strategy that is its text. The page's script completes both.
struct HTMLTableWriter {
  private let strategies: Set<String>
  private let oracles: Set<String>

  init(strategies: [ReportStrategy]) {
    self.strategies = Set(strategies.map(\.label))
    oracles = Set(strategies.filter { $0.role == .oracle }.map(\.label))
  }

  func text(of table: ReportTable) -> String {
    let common = table.columns.indices.filter { isCommon($0, in: table) }
    let shown = table.columns.indices.filter { !common.contains($0) }
    // The style sheet aligns columns by these classes: a class of each cell would be a fifth of the page.
    let words = shown.indices.filter { table.columns[shown[$0]].kind != .numbers }
    let classes = (["data"] + words.map { "w\($0 + 1)" }).joined(separator: " ")
    let best = SignificantBest(table, strategies: strategies, leavingOut: oracles)
    var text = "<table class=\"\(classes)\">\n"
    let said = common.filter { !table.rows[0][$0].plainText.isEmpty }
    if !said.isEmpty { text += "<caption>\(caption(said, of: table))</caption>\n" }
    let who = shown.first { column in table.rows.contains { names($0[column]) } }
    text += "<thead><tr>"
    for column in shown { text += heading(table.columns[column], isWho: column == who) }
    text += "</thead>\n<tbody>\n"
    for (index, row) in table.rows.enumerated() {
      text += "<tr>"
      for column in shown {
        let isLikeAbove =
          index > 0 && column < who ?? 0 && row[column] == table.rows[index - 1][column]
        text +=
          isLikeAbove
          ? "<td>" : cell(row[column], isBest: best.contains(row: index, column: column))
      }
      text += "\n"
    }
    return text + "</tbody></table>"
  }

  /// Whether a column tells no row from another: words and places, never a figure that is better or worse.
  private func isCommon(_ column: Int, in table: ReportTable) -> Bool {
    guard table.rows.count > 1, table.columns[column].polarity == .neither else { return false }
    let first = table.rows[0][column]
    return first.isPlace && !names(first) && table.rows.allSatisfy { $0[column] == first }
  }

  private func caption(_ columns: [Int], of table: ReportTable) -> String {
    columns.map { column in
      let name = XMLText.escaped(table.columns[column].name.onOneLine)
      return "\(name) <b>\(XMLText.escaped(table.rows[0][column].plainText))</b>"
    }.joined(separator: " · ")
  }

  /// - Parameter isWho: true for the first column that names strategies, which stays in sight.
  private func heading(_ column: ReportTable.Column, isWho: Bool) -> String {
    var text = "<th scope=\"col\"\(isWho ? " class=\"who\"" : "")>"
    text += XMLText.escaped(column.name.onOneLine)
    if !column.unit.isEmpty { text += " <small>\(XMLText.escaped(column.unit))</small>" }
    if column.polarity != .neither {
      let meaning = "\(column.polarity.rawValue) is better"
      text += "&nbsp;<abbr title=\"\(meaning)\">\(column.polarity.arrow)</abbr>"
    }
    return text
  }

  private func cell(_ cell: ReportCell, isBest: Bool) -> String {
    if case .text(let text) = cell.content {
      if text.isEmpty { return "<td><wbr>" }
      let marks = cell.marks.map(\.symbol).joined()
      return (names(cell) ? "<td data-strategy\(attribute(text))>" : "<td>") + PageText.shown(text)
        + (marks.isEmpty ? "" : "<sup>\(marks)</sup>")
    }
    let value = XMLText.escaped(cell.valueText)
    var text = isBest ? "<td><b>\(value)</b>" : "<td>\(value)"
    let uncertainty = cell.uncertaintyText
    if !uncertainty.isEmpty { text += " <i>\(uncertainty)</i>" }
    return cell.note.isEmpty ? text : "\(text) \(XMLText.escaped(cell.note))"
  }

  /// Of a label that is not shown as it is.
  private func attribute(_ label: String) -> String {
    let exact = XMLText.escaped(label)
    return exact == PageText.shown(label) ? "" : "=\"\(exact)\""
  }

  private func names(_ cell: ReportCell) -> Bool {
    if case .text(let text) = cell.content { strategies.contains(text) } else { false }
  }
}

extension ReportCell {
  /// True of words and of whole numbers, by which rows are told apart.
  var isPlace: Bool {
    switch content {
    case .text, .number(_, .count): uncertainty == nil
    default: false
    }
  }
}
