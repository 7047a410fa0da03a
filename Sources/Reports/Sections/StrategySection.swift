import Foundation
import JSON
import Records

extension ExperimentAnalysis {
  /// What the strategies and cache formats of the tables are, for readers who know only some of them.
  var strategySection: ReportSection {
    let stated = rows.flatMap { row in
      // A composition's label has the parameters of all its parts together.
      [(row.cell.strategy, row.label)]
        + row.cell.parametersWithParts.dropFirst().compactMap { part in
          part["name"]?.stringValue.map { ($0, "") }
        }
    }
    let strategies = stated.grouped(\.0).compactMap { name, uses in
      background.strategies[name].map { DescribedStrategy(about: $0, labels: uses.map(\.1)) }
    }
    let columns: [ColumnRule<DescribedStrategy>] = [
      .words("strategy") { .text($0.about.name) },
      .words("what it does") { .text($0.about.summary) },
      .words("what is varied here") { .text($0.parameters) },
      .words("how it stands to its source") { .text($0.about.fidelity.explanation) },
      .words("source") { .text($0.about.source) },
    ]
    let formats = rows.flatMap { row -> [String] in
      let cache = row.cell.strategyParameters["cache"]
      return ["keys", "values"].compactMap { (cache?[$0] ?? cache)?.stringValue }
    }.uniqued.compactMap { name in background.formats[name].map { (name: name, summary: $0) } }
    let formatColumns: [ColumnRule<(name: String, summary: String)>] = [
      .words("cache") { .text($0.name) },
      .words("how it holds keys and values") { .text($0.summary) },
    ]
    return ReportSection(
      title: "What the strategies are",
      text: [
        "Every parameter, and what was decided where a source is silent: tca-lab strategies show NAME. Without a cache of their own "
          + "strategies hold theirs as full does. Matching X: with the budget at which it uses as much as X."
      ], tables: [ReportTable(strategies, columns), ReportTable(formats, formatColumns)])
  }
}

/// A strategy and the labels under which it stands in tables.
private struct DescribedStrategy {
  let about: StrategyDescription
  let labels: [String]

  /// Those that the labels name, in words; what comes after "matching" belongs to another strategy.
  var parameters: String {
    let words = labels.flatMap { $0.components(separatedBy: " matching ")[0].split(separator: " ") }
    return about.parameters.filter { parameter in
      words.contains { $0.hasPrefix("\(parameter.name)=") }
    }.map { "\($0.name): \($0.summary)" }.joined(separator: "; ")
  }
}

extension Fidelity {
  fileprivate var explanation: String {
    switch self {
    case .faithful: "as its source describes it"
    case .simplified: "simplified"
    case .reconstructed: "written from its paper, without its code"
    case .own: "our own"
    case .oracle: "no method: a bound on what methods can reach"
    }
  }
}
