import Records

/// A table for readers.
public struct ReportTable: Sendable, Hashable {
  public struct Column: Sendable, Hashable {
    public enum Kind: Sendable, Hashable {
      case words, numbers
      /// What neighbouring rows have in common, which can be written once above them.
      case group
    }

    /// A line feed where a narrow table may break it.
    public var name: String
    public var unit = ""
    public var polarity = Polarity.neither
    public var kind = Kind.numbers

    /// With unit and direction: `KV cache, MiB ↓`.
    public var heading: String {
      let named = unit.isEmpty ? name : "\(name), \(unit)"
      return polarity == .neither ? named : "\(named) \(polarity.arrow)"
    }
  }

  public internal(set) var columns: [Column] = []
  /// A cell for each column.
  public internal(set) var rows: [[ReportCell]] = []
}

extension ReportTable {
  /// A row for each subject; without the columns of numbers in which no row has anything to say.
  init<Subject>(_ subjects: [Subject], _ rules: [ColumnRule<Subject>]) {
    rows = Array(repeating: [], count: subjects.count)
    for rule in rules {
      let cells = subjects.map(rule.cell)
      if rule.column.kind == .numbers, cells.allSatisfy({ $0.content == .missing }) { continue }
      columns.append(rule.column)
      for index in rows.indices { rows[index].append(cells[index]) }
    }
  }
}

/// A column and what its cells are, by the subject of their row.
struct ColumnRule<Subject> {
  let column: ReportTable.Column
  let cell: (Subject) -> ReportCell

  init(
    _ name: String, unit: String = "", _ polarity: Polarity = .neither,
    _ kind: ReportTable.Column.Kind = .numbers, _ cell: @escaping (Subject) -> ReportCell
  ) {
    column = .init(name: name, unit: unit, polarity: polarity, kind: kind)
    self.cell = cell
  }

  static func words(_ name: String, _ cell: @escaping (Subject) -> ReportCell) -> Self {
    Self(name, .neither, .words, cell)
  }

  /// The same of a part of another subject, its name behind the prefix.
  func of<Whole>(
    _ part: @escaping (Whole) -> Subject, _ prefix: String = ""
  ) -> ColumnRule<Whole> {
    ColumnRule<Whole>(
      prefix + column.name, unit: column.unit, column.polarity, column.kind, { cell(part($0)) })
  }
}

extension ColumnRule where Subject == AnalysedRow {
  /// A figure of the comparison, better in the direction that its metric says.
  static func figure(
    _ name: String, unit: String? = nil, _ column: ComparisonColumn, _ format: NumberFormat
  ) -> Self {
    Self(name, unit: unit ?? format.unit, column.polarity) { .number($0.row[column], format) }
  }

  /// The median of a time in milliseconds, or of a rate, with quartiles.
  static func time(_ name: String, _ figure: TimeFigure) -> Self {
    Self(name, unit: "ms", .lower) { .median($0.times[figure], .milliseconds) }
  }

  /// The median ratio to full and its interval; of full itself its second run's, which should be 1.
  static func ratio(_ name: String, _ figure: TimeFigure) -> Self {
    Self(name, .lower) {
      .median($0.ratios[figure], .fixed(3), marks: $0.timeMarks)
    }
  }
}
