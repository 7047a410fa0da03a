import Foundation
import Records

/// What the template shows, by the names of its fields; optional and empty ones are left out with what is around them.
///
/// A field that the innermost value lacks is looked for in those around it, so no name stands in two of them.
struct PageContent {
  let policy = PageTemplate.policy
  let style = PageTemplate.style + ChartTheme.automatic.styleSheet
  let script = PageTemplate.script
  let title: String
  let question: String?
  let answers: [ReportAnswer]
  let frontier: String?
  let overview: PageSection?
  let sections: [PageSection]
  /// Where what has to be read with care stands, and how much of it.
  let warnings: Warnings?
  let groups: [StrategyGroup]
  let facts: [Fact]
  let specName: String?
  /// As they are, escaped.
  let spec: String
  let commands: String
  let legend: [String]
  let hasData: Bool
  let included: [PageData.File]
  let excluded: [PageData.Rest]

  struct Warnings {
    let warningAddress: String
    let warningCount: String
  }

  struct Fact {
    let label: String
    let value: String
  }

  /// The strategies of one role, for the picker.
  struct StrategyGroup {
    let role: String
    let options: [Option]
  }

  struct Option {
    /// As it is, escaped.
    let choice: String
    let optionName: String
  }

  /// What figures may fill a page up to, and then files of data: less than 1.5 MB with what stands around them.
  static let bytesWithFigures = 1_000_000
  static let bytesWithData = 1_300_000

  init(_ report: Report) {
    title = report.title
    question = report.question.isEmpty ? nil : report.question
    answers = report.answer
    let writer = HTMLTableWriter(strategies: report.strategies)
    frontier = report.frontier.map(InlineFigure.text)
    overview = report.overview.map { PageSection($0, address: "overview", writer) }
    var parts = report.sections.enumerated().map {
      PageSection($0.element, address: "section-\($0.offset + 1)", writer)
    }
    var size = parts.reduce(report.recipe?.spec.utf8.count ?? 0) { $0 + $1.size }
    for (index, section) in report.sections.enumerated() {
      size += parts[index].add(section.figures, room: Self.bytesWithFigures - size)
    }
    sections = parts
    // Flags are the section that is a list and nothing else.
    warnings = report.sections.firstIndex {
      $0.tables.isEmpty && $0.figures.isEmpty && !$0.items.isEmpty
    }.map {
      let count = report.sections[$0].items.count
      return Warnings(
        warningAddress: "section-\($0 + 1)",
        warningCount: NumberFormat.counted(count, "thing"))
    }
    groups = report.strategies.grouped(\.role).map {
      StrategyGroup(
        role: Self.word($0.key),
        options: $0.elements.map {
          Option(choice: XMLText.escaped($0.label), optionName: $0.label)
        })
    }
    facts = report.facts.map { Fact(label: $0.label, value: $0.value) }
    specName = report.recipe?.specName
    spec = XMLText.escaped(report.recipe?.spec ?? "")
    commands = XMLText.escaped(report.recipe?.commands.joined(separator: "\n") ?? "")
    legend = report.legend
    let data = PageData(report, room: Self.bytesWithData - size)
    hasData = !report.data.isEmpty
    included = data.included
    excluded = data.excluded
  }

  private static func word(_ role: StrategyRole) -> String {
    switch role {
    case .reference: "reference"
    case .method: "methods"
    case .control: "controls"
    case .oracle: "oracles, which bound methods"
    }
  }
}

/// A section of the report with its tables and figures as HTML.
struct PageSection {
  let address: String
  let heading: String
  let paragraphs: [String]
  let tables: [String]
  private(set) var figures: [String] = []
  /// The files of figures that there was no room for.
  private(set) var otherFigures: [String] = []
  let items: [String]

  init(_ section: ReportSection, address: String, _ writer: HTMLTableWriter) {
    self.address = address
    heading = section.title
    paragraphs = section.text
    tables = section.tables.filter { !$0.rows.isEmpty }.map(writer.text)
    items = section.items
  }

  /// In bytes, of what takes much.
  var size: Int { (tables + figures + items + paragraphs).reduce(0) { $0 + $1.utf8.count } }

  /// As many figures as there is room for; gives the bytes that they take.
  mutating func add(_ shown: [ReportFigure], room: Int) -> Int {
    var taken = 0
    for figure in shown {
      let text = InlineFigure.text(of: figure)
      if taken + text.utf8.count <= room {
        taken += text.utf8.count
        figures.append(text)
      } else {
        otherFigures.append(SVGRenderer.fileName(of: figure))
      }
    }
    return taken
  }
}

/// A figure as part of a page.
enum InlineFigure {
  /// The SVG text without the address of its name space, which HTML knows, and without the style sheet, which the page has.
  static func text(of figure: ReportFigure) -> String {
    var text = SVGCanvas.text(of: figure.chart)
    for (start, end) in [(" xmlns=\"", "\""), ("<style>", "</style>")] {
      guard let first = text.range(of: start),
        let last = text[first.upperBound...].range(of: end)
      else { continue }
      text.removeSubrange(first.lowerBound..<last.upperBound)
    }
    return text
  }
}
