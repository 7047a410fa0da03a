import Records

/// A report as a value: what it says, in tables and sentences, without deciding how it looks.
public struct Report: Sendable, Hashable {
  public var title: String
  public var question: String
  /// Where the figures come from.
  public var facts: [Fact]
  public var sections: [ReportSection]
  /// How to read the tables and where the definitions are.
  public var legend: [String]
  /// The same figures and the raw measurements behind them, for programs.
  public var data: [DataTable]

  public struct Fact: Sendable, Hashable {
    public var label: String
    public var value: String

    public init(_ label: String, _ value: String) {
      self.label = label
      self.value = value
    }
  }

  public init(
    title: String, question: String = "", facts: [Fact] = [], sections: [ReportSection] = [],
    legend: [String] = [], data: [DataTable] = []
  ) {
    self.title = title
    self.question = question
    self.facts = facts
    self.sections = sections
    self.legend = legend
    self.data = data
  }
}

/// A part of a report under a heading.
public struct ReportSection: Sendable, Hashable {
  public var title: String
  /// Paragraphs before the tables.
  public var text: [String]
  public var tables: [ReportTable]
  public var figures: [ReportFigure]
  /// A list behind the tables: flags, notes.
  public var items: [String]

  public init(
    _ title: String, text: [String] = [], tables: [ReportTable] = [],
    figures: [ReportFigure] = [], items: [String] = []
  ) {
    self.title = title
    self.text = text
    self.tables = tables
    self.figures = figures
    self.items = items
  }

  var isEmpty: Bool {
    text.isEmpty && items.isEmpty && figures.isEmpty && tables.allSatisfy(\.rows.isEmpty)
  }
}

/// A chart and the name of the file that it goes to.
public struct ReportFigure: Sendable, Hashable {
  /// A word that can be a file's name, without extension; unique in a report.
  public var name: String
  public var chart: LineChart

  public init(_ name: String, _ chart: LineChart) {
    self.name = name
    self.chart = chart
  }

  public var fileName: String { "\(name).svg" }
}

/// A table for readers: texts, with units and directions in the headings.
public struct ReportTable: Sendable, Hashable {
  public struct Column: Sendable, Hashable {
    public var heading: String
    public var isNumeric: Bool

    public init(_ heading: String, isNumeric: Bool = true) {
      self.heading = heading
      self.isNumeric = isNumeric
    }

    /// A heading with unit and direction: `KV cache, MiB ↓`.
    public init(_ name: String, unit: String = "", _ polarity: Polarity) {
      let named = unit.isEmpty ? name : "\(name), \(unit)"
      self.init(polarity == .neither ? named : "\(named) \(polarity.arrow)")
    }
  }

  public var columns: [Column]
  public var rows: [[String]]

  public init(columns: [Column], rows: [[String]]) {
    precondition(
      rows.allSatisfy { $0.count == columns.count },
      "ReportTable: rows of \(rows.map(\.count)) cells for \(columns.count) columns")
    self.columns = columns
    self.rows = rows
  }

  /// Without the columns in which no row has anything to say.
  var withoutEmptyColumns: ReportTable {
    let kept = columns.indices.filter { index in
      !columns[index].isNumeric || rows.contains { $0[index] != NumberText.missing }
    }
    return ReportTable(
      columns: kept.map { columns[$0] }, rows: rows.map { row in kept.map { row[$0] } })
  }
}

/// A table for programs: exact values, one name a column, one observation a row.
public struct DataTable: Sendable, Hashable {
  public enum Value: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case number(Double)
    case missing
  }

  /// A word that can be a file's name.
  public var name: String
  public var columns: [String]
  public var rows: [[Value]]

  public init(_ name: String, columns: [String], rows: [[Value]]) {
    precondition(
      rows.allSatisfy { $0.count == columns.count },
      "DataTable \(name): rows of \(rows.map(\.count)) values for \(columns.count) columns")
    self.name = name
    self.columns = columns
    self.rows = rows
  }
}

extension DataTable.Value {
  init(_ value: Double?) { self = value.map { .number($0) } ?? .missing }
  init(_ value: Int?) { self = value.map { .integer($0) } ?? .missing }
  init(_ value: String?) { self = value.map { .text($0) } ?? .missing }
}
