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
    public var unit: String
    public var polarity: Polarity
    public var kind: Kind

    public init(
      _ name: String, unit: String = "", _ polarity: Polarity = .neither, _ kind: Kind = .numbers
    ) {
      self.name = name
      self.unit = unit
      self.polarity = polarity
      self.kind = kind
    }

    /// With unit and direction: `KV cache, MiB ↓`.
    public var heading: String {
      let named = unit.isEmpty ? name : "\(name), \(unit)"
      return polarity == .neither ? named : "\(named) \(polarity.arrow)"
    }
  }

  public let columns: [Column]
  public let rows: [[ReportCell]]

  public init(columns: [Column], rows: [[ReportCell]]) {
    precondition(
      rows.allSatisfy { $0.count == columns.count },
      "ReportTable: rows of \(rows.map(\.count)) cells for \(columns.count) columns")
    self.columns = columns
    self.rows = rows
  }

  /// A row for each subject; without the columns of numbers in which no row has anything to say.
  init<Subject>(_ subjects: [Subject], _ columns: [ColumnRule<Subject>]) {
    var shown: [Column] = []
    var rows = Array(repeating: [ReportCell](), count: subjects.count)
    for rule in columns {
      let cells = subjects.map(rule.cell)
      if rule.column.kind == .numbers && !cells.contains(where: { $0.content != .missing }) {
        continue
      }
      shown.append(rule.column)
      for index in rows.indices { rows[index].append(cells[index]) }
    }
    self.init(columns: shown, rows: rows)
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
    column = .init(name, unit: unit, polarity, kind)
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

  /// The median ratio to full and its quartiles; nothing for full itself.
  static func ratio(_ name: String, _ figure: TimeFigure) -> Self {
    Self(name, .lower) { $0.row.isFull ? .missing : .median($0.ratios[figure], .fixed(3)) }
  }
}
