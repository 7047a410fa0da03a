/// A report as a value: what it says, in tables and sentences, without deciding how it looks.
public struct Report: Sendable {
  public var title: String
  public var question = ""
  /// What a reader takes from it: up to three questions, each answered in a sentence made from the numbers for every
  /// model, with its interval or with why there is none. Plain text.
  public var answer: [ReportAnswer] = []
  /// The figure to lead with: quality against bytes; nil where one of the two was not measured.
  public var frontier: ReportFigure?
  /// One table that fits a screen: a line for each strategy. Its text says what was left out.
  public var overview: ReportSection?
  /// Where the figures come from.
  public var facts: [(label: String, value: String)] = []
  /// The main comparison for a quick look; its text and items are footnotes.
  public var summary: ReportSection?
  public var sections: [ReportSection] = []
  /// How to read the tables and where the definitions are.
  public var legend: [String] = []
  /// Those that the tables and figures name.
  public var strategies: [ReportStrategy] = []
  /// How to make it again; nil for what is no experiment's.
  public var recipe: Recipe?
  /// The same figures and the raw measurements behind them, for programs.
  public var data: [DataTable] = []
}

/// A part of a report under a heading.
public struct ReportSection: Sendable {
  public var title: String
  /// Paragraphs before the tables.
  public var text: [String] = []
  public var tables: [ReportTable] = []
  public var figures: [ReportFigure] = []
  /// A list behind the tables: flags, notes.
  public var items: [String] = []
  /// Whether its items are what the report was made for.
  public var isAnswer = false

  func showing(_ figures: [ReportFigure]) -> ReportSection {
    var section = self
    section.figures += figures
    return section
  }

  /// True where there is nothing to show; a text alone explains nothing.
  var isEmpty: Bool { items.isEmpty && figures.isEmpty && tables.allSatisfy(\.rows.isEmpty) }

  /// The marks of its tables, in the order of their footnotes.
  var marks: [Mark] {
    let used = Set(tables.flatMap(\.rows).joined().flatMap(\.marks))
    return Mark.allCases.filter(used.contains)
  }
}

extension Report {
  /// The one to lead with, then those of the sections.
  public var figures: [ReportFigure] { (frontier.map { [$0] } ?? []) + sections.flatMap(\.figures) }
}

/// A chart and the name of the file that it goes to.
public struct ReportFigure: Sendable {
  /// A word that can be a file's name, without extension; unique in a report.
  public var name: String
  public var chart: any Chart
}

/// One question and what the numbers say to it.
public struct ReportAnswer: Sendable, Hashable {
  public var question: String
  /// A sentence each, of one model where they begin with its name.
  public var statements: [String]
}
