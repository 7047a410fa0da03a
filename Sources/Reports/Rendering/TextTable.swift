/// Columns of text aligned with blanks, for a terminal.
public struct TextTable {
  private let rows: [[String]]
  private let rightAligned: Set<Int>

  /// - Parameter rightAligned: columns of numbers.
  public init(header: [String], rows: [[String]], rightAligned: Set<Int> = []) {
    self.init([header] + rows, rightAligned: rightAligned)
  }

  init(_ rows: [[String]], rightAligned: Set<Int>) {
    self.rows = rows.map { $0.map(TerminalText.line) }
    self.rightAligned = rightAligned
  }

  /// Two blanks between columns, none at the end of a line.
  var lines: [String] {
    rows.padded(rightAligned: rightAligned).map { cells in
      var line = cells.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
  }

  /// Without a line feed at the end.
  public var text: String { lines.joined(separator: "\n") }
}

extension [[String]] {
  /// Every cell filled up with blanks to the width of its column, in characters as readers see
  /// them.
  func padded(rightAligned: Set<Int>, atLeast least: Int = 0) -> [[String]] {
    let columns = first?.indices ?? 0..<0
    let widths = columns.map { column in Swift.max(least, map { $0[column].count }.max() ?? 0) }
    return map { cells in
      zip(cells, widths).enumerated().map { column, cell in
        let blanks = String(repeating: " ", count: cell.1 - cell.0.count)
        return rightAligned.contains(column) ? blanks + cell.0 : cell.0 + blanks
      }
    }
  }
}

extension ReportTable {
  /// The places of columns of numbers.
  var rightAligned: Set<Int> { Set(columns.indices.filter { columns[$0].kind == .numbers }) }
}
