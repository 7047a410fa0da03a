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
    let lengths = map { $0.map(\.width) }
    let widths = (first ?? []).indices.map { column in
      lengths.reduce(least) { Swift.max($0, $1[column]) }
    }
    return zip(self, lengths).map { cells, lengths in
      cells.indices.map { column in
        let blanks = String(repeating: " ", count: widths[column] - lengths[column])
        return rightAligned.contains(column) ? blanks + cells[column] : cells[column] + blanks
      }
    }
  }
}

extension ReportTable {
  /// The places of columns of numbers.
  var rightAligned: Set<Int> { Set(columns.indices.filter { columns[$0].kind == .numbers }) }
}
