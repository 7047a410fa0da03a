import JSON

/// Strategies held to one budget, side by side: what one may compare without asking who was given more.
extension ExperimentAnalysis {
  /// One table for each kind of budget; without cells that share one, empty.
  var equalBudgetSections: [ReportSection] {
    BudgetedUse.allCases.map { use in
      let groups = budgetGroups(of: use)
      let table = ReportTable(
        columns: use.columns,
        rows: groups.flatMap { group in group.rows.map { text(of: $0, in: group) } }
      ).withoutEmptyColumns
      return ReportSection(
        use.title,
        text: groups.isEmpty
          ? []
          : [
            use.explanation
              + " Difference to full and to the reference (the strategy whose use is matched): paired, on "
              + "the same units, in nats a token or as score. Of one budget the best comes first."
          ], tables: [table])
    }
  }

  /// The cells of one model, context length and task that have one budget, the best first.
  private func budgetGroups(of use: BudgetedUse) -> [BudgetGroup] {
    var groups: [BudgetGroup] = []
    var places: [BudgetGroup.Key: Int] = [:]
    for row in rows {
      for budget in row.budgets where budget.use == use {
        let key = BudgetGroup.Key(
          model: row.cell.model, full: row.row.planned.fullIdentity, budget: budget.text,
          reference: budget.isMatched ? row.row.planned.matchedIdentity : nil)
        if let place = places[key] {
          groups[place].rows.append(row)
          continue
        }
        var group = BudgetGroup(key: key, reference: reference(of: row, budget), rows: [])
        if let reference = group.reference { group.rows.append(reference) }
        group.rows.append(row)
        places[key] = groups.count
        groups.append(group)
      }
    }
    // One cell alone is no comparison.
    return groups.filter { $0.rows.count > 1 }.map { group in
      var group = group
      group.rows = group.rows.enumerated().sorted {
        ($0.element.loss, $0.offset) < ($1.element.loss, $1.offset)
      }.map(\.element)
      return group
    }
  }

  /// Methods that lose more than tokens drawn by chance do at the same budget, beyond the interval of the difference.
  var worseThanRandom: [String] {
    var flags: [String] = []
    for group in BudgetedUse.allCases.flatMap(budgetGroups) {
      guard let random = group.rows.first(where: { $0.cell.strategy == "random" }) else { continue }
      for row in group.rows where !row.row.isFull && row.cell.strategy != "random" {
        guard let found = difference(of: row, from: random), found.verdict > 0 else { continue }
        let flag =
          "worse than random at the same budget: \(row.place), \(Self.text(of: found)) to "
          + random.row.planned.label
        if !flags.contains(flag) { flags.append(flag) }
      }
    }
    return flags
  }

  private func reference(of row: AnalysedRow, _ budget: CellBudget) -> AnalysedRow? {
    guard budget.isMatched, let identity = row.row.planned.matchedIdentity else { return nil }
    return rows.first { $0.cell.identity == identity && $0.cell.model == row.cell.model }
  }

  private func text(of analysed: AnalysedRow, in group: BudgetGroup) -> [String] {
    let row = analysed.row
    let budget =
      group.reference.map { "as \($0.row.planned.label)" } ?? group.key.budget
    var cells = [
      analysed.cell.model, NumberText.count(analysed.cell.contextLength), analysed.task, budget,
      analysed.strategy,
    ]
    cells += [
      NumberText.fixed(row[.kvCacheResidentBytesRatio], 3),
      NumberText.fixed(row[.retainedFraction], 3),
      NumberText.fixed(row[.nominalDensity], 3), NumberText.fixed(row[.density], 3),
      NumberText.fixed(row[.decodeNominalDensity], 3), NumberText.significant(row[.droppedMass]),
      NumberText.fixed(row[.perplexity], 2), NumberText.fixed(row[.score], 3),
    ]
    cells += [
      Self.text(of: analysed.difference),
      analysed.cell.identity == group.reference?.cell.identity
        ? "reference" : Self.text(of: difference(of: analysed, from: group.reference)),
      NumberText.count(row[.unitCount]),
    ]
    return cells
  }

  private func difference(
    of row: AnalysedRow, from reference: AnalysedRow?
  ) -> PairedDifference? {
    guard let reference, let figure = PairedDifference.figure(of: row.row.units) else { return nil }
    return PairedDifference(of: figure, from: reference.row.units, to: row.row.units)
  }

  private static func text(of difference: PairedDifference?) -> String {
    guard let difference else { return NumberText.missing }
    let decimals = difference.figure == .score ? 3 : 4
    return NumberText.with(
      NumberText.signed(difference.mean, decimals),
      NumberText.interval(difference.interval) { NumberText.signed($0, decimals) })
  }
}

/// What a budget limits.
enum BudgetedUse: CaseIterable {
  case kvBytes, density

  var title: String {
    switch self {
    case .kvBytes: "At equal KV bytes"
    case .density: "At equal density"
    }
  }

  var explanation: String {
    switch self {
    case .kvBytes:
      "A method that evicts keeps no more than the budget; one that only selects lets a query attend to no more, and "
        + "keeps everything: see the KV cache."
    case .density:
      "Attended over causal pairs of the prefill: what is matched is the nominal density, that of the selections."
    }
  }

  /// Those that have nothing to say for a kind of budget are empty, and left out.
  var columns: [ReportTable.Column] {
    [
      .init("model", isNumeric: false), .init("context"), .init("task", isNumeric: false),
      .init("budget", isNumeric: false), .init("strategy", isNumeric: false),
      .init("KV cache ratio", .lower), .init("tokens kept", .lower),
      .init("nominal density", .lower), .init("density", .lower),
      .init("decode density", .lower), .init("dropped mass", .lower), .init("perplexity", .lower),
      .init("score", .higher), .init("to full"), .init("to the reference"),
      .init("units", .neither),
    ]
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
    guard let members = value.objectValue else { return nil }
    if let name = members["matching"]?.stringValue {
      use = members["of"]?.stringValue == "density" ? .density : .kvBytes
      text = "as \(name)"
      isMatched = true
    } else if let (form, size) = members.first(where: {
      ["fraction", "tokens", "bytes", "density"].contains($0.key)
    }) {
      use = form == "density" ? .density : .kvBytes
      text = "\(form) \(size.canonicalText)"
      isMatched = false
    } else {
      return nil
    }
  }
}

private struct BudgetGroup {
  struct Key: Hashable {
    var model: String
    var full: String
    var budget: String
    var reference: String?
  }

  var key: Key
  var reference: AnalysedRow?
  var rows: [AnalysedRow]
}

extension AnalysedRow {
  /// The budgets of the strategy and of the parts that it is composed of, each once.
  fileprivate var budgets: [CellBudget] {
    var found: [CellBudget] = []
    func collect(_ value: JSONValue) {
      guard let members = value.objectValue else { return }
      for (name, member) in members.sorted(by: { $0.key < $1.key }) {
        if name == "budget" {
          if let budget = CellBudget(member), !found.contains(budget) { found.append(budget) }
        } else {
          collect(member)
        }
      }
    }
    collect(cell.strategyParameters)
    return found
  }

  /// What is lost against full, so that less is better, for likelihoods and scores alike; what was not measured comes last.
  fileprivate var loss: Double {
    guard let difference else { return row.isFull ? 0 : .infinity }
    return difference.figure == .score ? -difference.mean : difference.mean
  }
}
