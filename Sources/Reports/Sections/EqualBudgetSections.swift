import JSON

/// Strategies held to one budget, side by side: none was given more.
extension ExperimentAnalysis {
  /// One table for each kind of budget; without cells that share one, empty.
  var equalBudgetSections: [ReportSection] {
    BudgetedUse.allCases.map { use in
      let columns: [ColumnRule<BudgetedRow>] =
        [
          .words("model") { .text($0.analysed.cell.model) },
          .init("context") { .count($0.analysed.cell.contextLength) },
          .words("task") { .text($0.analysed.task) }, .words("budget") { .text($0.group.budget) },
          .words("strategy") { $0.analysed.strategy },
        ] + Self.budgetFigures.map { $0.of(\.analysed) } + [
          .init("to full") { .difference($0.analysed.difference) },
          .init("to the reference") { $0.isReference ? "reference" : .difference($0.toReference) },
          ColumnRule<AnalysedRow>.figure("units", .unitCount, .count).of(\.analysed),
        ]
      return ReportSection(
        title: use.title,
        text: [
          use.explanation
            + " Difference to full and to the reference (the strategy whose use is matched): paired, on "
            + "the same units, in nats a token or as score. Of one budget the best comes first."
        ], tables: [ReportTable(budgetGroups(of: use).flatMap(\.budgetedRows), columns)])
    }
  }

  private static var budgetFigures: [ColumnRule<AnalysedRow>] {
    [
      .figure("KV cache ratio", .kvCacheResidentBytesRatio, .fixed(3)),
      .figure("tokens kept", .retainedFraction, .fixed(3)),
      .figure("nominal density", .nominalDensity, .fixed(3)),
      .figure("density", .density, .fixed(3)),
      .figure("decode density", .decodeNominalDensity, .fixed(3)),
      .figure("dropped mass", .droppedMass, .significant),
      .figure("perplexity", .perplexity, .fixed(2)), .figure("score", .score, .fixed(3)),
    ]
  }

  /// The cells of one model, context length and task that have one budget, the best first.
  private func budgetGroups(of use: BudgetedUse) -> [BudgetGroup] {
    let budgeted = rows.flatMap { row in
      row.budgets.filter { $0.use == use }.map { (row: row, budget: $0) }
    }
    return budgeted.grouped { row, budget in
      [
        row.cell.model, row.row.planned.fullIdentity, budget.text,
        budget.isMatched ? row.row.planned.matchedIdentity : nil,
      ]
    }.compactMap { key, members in
      let reference = key[3].flatMap { identity in
        rows.first { $0.cell.identity == identity && $0.cell.model == key[0] }
      }
      let all = (reference.map { [$0] } ?? []) + members.map(\.row)
      // One cell alone is no comparison.
      guard all.count > 1 else { return nil }
      let best = all.enumerated()
        .sorted { ($0.element.loss, $0.offset) < ($1.element.loss, $1.offset) }.map(\.element)
      return BudgetGroup(
        budget: reference.map { "as \($0.label)" } ?? members[0].budget.text, reference: reference,
        rows: best)
    }
  }

  /// Methods that lose more than a control at the same budget, beyond the interval.
  var worseThanControl: [String] {
    BudgetedUse.allCases.flatMap(budgetGroups).flatMap { group -> [String] in
      guard let control = group.rows.first(where: { $0.cell.strategyRole == .control }) else {
        return []
      }
      let others = group.rows.filter { !$0.row.isFull && $0.cell.strategyRole != .control }
      return others.compactMap { row in
        guard let found = PairedDifference(from: control.row, to: row.row), found.verdict > 0 else {
          return nil
        }
        return "worse than \(control.cell.strategy) at the same budget: \(row.place), "
          + "\(ReportCell.difference(found).plainText) to \(control.label)"
      }
    }.uniqued
  }
}

/// What a budget limits.
enum BudgetedUse: CaseIterable {
  case meanKvBytes, kvBytes, density

  var title: String {
    switch self {
    case .meanKvBytes: "At equal mean KV bytes"
    case .kvBytes: "At equal KV bytes"
    case .density: "At equal density"
    }
  }

  var explanation: String {
    switch self {
    case .meanKvBytes:
      "What is matched is the mean over decode steps of what the tokens held need, in the global layers: methods that keep "
        + "every generated token start with fewer. A share is of full attention in float16."
    case .kvBytes:
      "A method that evicts keeps no more than the budget; one that only selects lets a query attend to no more, and "
        + "keeps everything: see the KV cache."
    case .density:
      "Attended over causal pairs of the prefill: what is matched is the nominal density, that of the selections."
    }
  }
}

/// One budget of a cell, as its spec states it.
struct CellBudget: Hashable {
  var use: BudgetedUse
  /// `fraction 0.4`; of a match the matched strategy.
  var text: String
  var isMatched: Bool

  /// Nil for a mass, which holds nobody to a size.
  init?(_ value: JSONValue) {
    if let name = value["matching"]?.stringValue {
      use =
        switch value["of"]?.stringValue {
        case "density": .density
        case "meanKvBytes": .meanKvBytes
        default: .kvBytes
        }
      text = "as \(name)"
      isMatched = true
    } else if let (form, size) = ["fraction", "tokens", "bytes", "meanKvBytes", "density"].lazy
      .compactMap({ form in value[form].map { (form, $0) } }).first
    {
      use = form == "density" ? .density : form == "meanKvBytes" ? .meanKvBytes : .kvBytes
      text = "\(form) \(size.canonicalText)"
      isMatched = false
    } else {
      return nil
    }
  }
}

private struct BudgetGroup {
  let budget: String
  let reference: AnalysedRow?
  /// The best first.
  let rows: [AnalysedRow]

  var budgetedRows: [BudgetedRow] { rows.map { BudgetedRow(analysed: $0, group: self) } }
}

private struct BudgetedRow {
  let analysed: AnalysedRow
  let group: BudgetGroup

  var isReference: Bool { analysed.cell.identity == group.reference?.cell.identity }

  var toReference: PairedDifference? {
    group.reference.flatMap { PairedDifference(from: $0.row, to: analysed.row) }
  }
}

extension AnalysedRow {
  /// The budgets of the strategy and of the parts that it is composed of, each once.
  fileprivate var budgets: [CellBudget] {
    func collect(_ value: JSONValue) -> [CellBudget] {
      guard case .object(let object) = value else { return [] }
      return object.members.flatMap { name, member in
        name == "budget" ? CellBudget(member).map { [$0] } ?? [] : collect(member)
      }
    }
    return collect(cell.strategyParameters).uniqued
  }

  /// What is lost against full: less is better, for likelihoods and scores alike.
  fileprivate var loss: Double {
    guard let difference else { return row.isFull ? 0 : .infinity }
    return difference.figure == .score ? -difference.mean : difference.mean
  }
}
