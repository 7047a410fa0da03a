/// Columns aligned with blanks, for a terminal.
struct TextTable {
  let header: [String]
  let rows: [[String]]
  /// Columns of numbers.
  var rightAligned: Set<Int> = []

  var text: String {
    let all = [header] + rows
    let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
    return all.map { row in
      var line = ""
      // Blanks are owed until something stands behind them, so that no line ends in one.
      var owed = 0
      for (column, cell) in row.enumerated() {
        let blanks = widths[column] - cell.count
        if rightAligned.contains(column) { owed += blanks }
        if !cell.isEmpty {
          line += String(repeating: " ", count: owed) + cell
          owed = 0
        }
        owed += (rightAligned.contains(column) ? 0 : blanks) + 2
      }
      return line
    }.joined(separator: "\n")
  }
}
