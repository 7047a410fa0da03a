import JSON
import Records

/// The figures of a table that are better than all others of their place beyond chance.
///
/// A place is the rows that have the words left of the figures in common, but for the strategy. In each column that has
/// a direction, the best is one whose 95 % interval reaches no other's. For differences to the same reference, and any
/// two means over the same clusters, that is stricter than the paired test at 5 %: the standard error of a difference is
/// never above the sum of the two. What has no interval (the reference itself; exact figures such as bytes) and what
/// bounds methods without being one is not in the contest, nor what acted only after the tokens that were scored.
struct SignificantBest {
  private var cells: Set<[Int]> = []

  /// - Parameters:
  ///   - strategies: labels; a column that holds one tells no places apart.
  ///   - outsiders: labels whose rows are in no contest.
  init(_ table: ReportTable, strategies: Set<String>, leavingOut outsiders: Set<String>) {
    let places = Self.placeColumns(of: table, strategies)
    let groups = table.rows.indices.filter { Self.competes(table.rows[$0], outsiders) }
      .grouped { row in places.map { ExactText(table.rows[row][$0].plainText) } }
    for (_, rows) in groups where rows.count > 1 {
      for column in table.columns.indices {
        if let row = Self.best(of: rows, in: column, of: table) { cells.insert([row, column]) }
      }
    }
  }

  func contains(row: Int, column: Int) -> Bool { cells.contains([row, column]) }

  /// The first columns up to a figure, without those of strategies and of what kind a contrast is.
  private static func placeColumns(of table: ReportTable, _ strategies: Set<String>) -> [Int] {
    table.columns.indices
      .prefix { column in
        table.columns[column].polarity == .neither
          && table.rows.allSatisfy { $0[column].isPlace }
      }
      .filter { column in
        table.columns[column].name != "contrast"
          && !table.rows.contains {
            if case .text(let text) = $0[column].content { return strategies.contains(text) }
            return false
          }
      }
  }

  /// What keeps a row out of the contest.
  private static let outside: Set<Mark> = [.readsFuture, .atChance, .actsLater]

  private static func competes(_ row: [ReportCell], _ outsiders: Set<String>) -> Bool {
    row.allSatisfy { cell in
      guard case .text(let text) = cell.content else { return true }
      return !outsiders.contains(text) && outside.isDisjoint(with: cell.marks)
    }
  }

  private static func best(of rows: [Int], in column: Int, of table: ReportTable) -> Int? {
    let figures = rows.compactMap { row -> (row: Int, interval: Interval, polarity: Polarity)? in
      let cell = table.rows[row][column]
      guard case .interval(let interval) = cell.uncertainty, !cell.marks.contains(.unsteady) else {
        return nil
      }
      let own = cell.polarity
      return (row, interval, own == .neither ? table.columns[column].polarity : own)
    }
    guard figures.count > 1, let polarity = figures.first?.polarity, polarity != .neither,
      figures.allSatisfy({ $0.polarity == polarity })
    else { return nil }
    // Turned around where more is better.
    let ends = figures.map { figure -> (row: Int, low: Double, high: Double) in
      polarity == .lower
        ? (figure.row, figure.interval.low, figure.interval.high)
        : (figure.row, -figure.interval.high, -figure.interval.low)
    }
    guard let best = ends.min(by: { $0.high < $1.high }) else { return nil }
    return ends.allSatisfy { $0.row == best.row || best.high < $0.low } ? best.row : nil
  }
}
