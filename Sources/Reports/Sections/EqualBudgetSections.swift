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
          .init("to the reference") { $0.isReference ? "reference" : .difference($0.toReference) },
          .init("to full") { .difference($0.analysed.difference) },
          .words("over") { .text($0.analysed.clusterText) },
        ] + Self.budgetFigures.map { $0.of(\.analysed) }
      return ReportSection(
        title: use.title,
        text: [
          use.explanation
            + " Difference to full and to the reference (the strategy whose use is matched): paired, on "
            + "the same windows or prompts, in nats a token or as score. Of one budget the best comes first."
        ], tables: [ReportTable((budgetGroups[use] ?? []).flatMap(\.budgetedRows), columns)])
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

  /// Methods that lose more than a control at the same budget, beyond chance: at single tasks, and over the texts or
  /// tasks of a family together.
  var worseThanControl: [String] {
    let pairs = BudgetedUse.allCases.flatMap { budgetGroups[$0] ?? [] }
      .flatMap { group -> [(control: AnalysedRow, method: AnalysedRow)] in
        guard let control = group.rows.first(where: { $0.cell.strategyRole == .control }) else {
          return []
        }
        return group.rows.filter { !$0.row.isFull && $0.cell.strategyRole != .control }
          .map { (control, $0) }
      }
    let single = pairs.map { ([$0], $0.method.place) }
    let pooled = pairs.grouped { ControlledPair($0.method.poolKey, $0.control, $0.method) }
      .filter { $0.elements.count > 1 }
      .map {
        ($0.elements, "\($0.key.method), \($0.key.pool.model), \($0.elements.count) tasks together")
      }
    return (single + pooled).compactMap { pairs, place in
      guard
        let found = PairedDifference(from: pairs.map(\.control), to: pairs.map(\.method)),
        found.verdict > 0
      else { return nil }
      return "worse than \(pairs[0].control.cell.strategy) at the same budget: \(place), "
        + "\(ReportCell.difference(found).plainText) to \(pairs[0].control.label)"
    }.uniqued
  }
}

/// What the cells of a method and of its control have in common over several tasks.
private struct ControlledPair: Hashable {
  let pool: Pool.Key
  let control: String
  let method: String

  init(_ pool: Pool.Key, _ control: AnalysedRow, _ method: AnalysedRow) {
    self.pool = pool
    self.control = control.label
    self.method = method.label
  }
}

/// What a budget limits.
enum BudgetedUse: CaseIterable, Sendable {
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

  /// The words of a spec for a budget's size.
  static let forms = ["fraction", "tokens", "bytes", "meanKvBytes", "density"]

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
    } else if let (form, size) = Self.forms.lazy
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

/// The cells of one model, context length and task that have one budget.
struct BudgetGroup: Sendable {
  let budget: String
  let reference: AnalysedRow?
  /// The best first.
  let rows: [AnalysedRow]

  fileprivate var budgetedRows: [BudgetedRow] {
    rows.map { BudgetedRow(analysed: $0, group: self) }
  }

  /// By what their budgets limit.
  static func all(of rows: [AnalysedRow]) -> [BudgetedUse: [BudgetGroup]] {
    let matched = Set(rows.compactMap(\.row.planned.matchedIdentity))
    let references = Dictionary(
      rows.filter { matched.contains($0.cell.identity) }
        .map { ([$0.cell.model, $0.cell.identity], $0) },
      uniquingKeysWith: { first, _ in first })
    let places = rows.flatMap { row in row.budgets.map { (row: row, budget: $0) } }
      .grouped { BudgetedPlace($0.row, $0.budget) }
    var groups: [BudgetedUse: [BudgetGroup]] = [:]
    for (place, members) in places {
      let reference = place.matched.flatMap { references[[place.model, $0]] }
      let all = (reference.map { [$0] } ?? []) + members.map { $0.row }
      // One cell alone is no comparison.
      guard all.count > 1 else { continue }
      let best = all.enumerated()
        .sorted { ($0.element.loss, $0.offset) < ($1.element.loss, $1.offset) }.map(\.element)
      groups[place.use, default: []].append(
        BudgetGroup(
          budget: reference.map { "as \($0.label)" } ?? place.budget, reference: reference,
          rows: best))
    }
    return groups
  }
}

/// What the cells of a group have in common.
private struct BudgetedPlace: Hashable {
  let use: BudgetedUse
  let model: String
  let full: String
  let budget: String
  /// The cell whose use is matched.
  let matched: String?

  init(_ row: AnalysedRow, _ budget: CellBudget) {
    use = budget.use
    model = row.cell.model
    full = row.row.planned.fullIdentity
    self.budget = budget.text
    matched = budget.isMatched ? row.row.planned.matchedIdentity : nil
  }
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

  /// What is lost against full.
  fileprivate var loss: Double { difference?.loss ?? (row.isFull ? 0 : .infinity) }
}
