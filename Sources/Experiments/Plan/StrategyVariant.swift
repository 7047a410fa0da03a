import Records

/// A strategy with one value for each parameter: what the strategy axis of the grid runs over.
struct StrategyVariant: Sendable, Hashable {
  let description: StrategyDescription
  let parameters: [String: JSONValue]
  let budget: SpecBudget?
  /// The variant whose use a `matching` budget matches: an index into the list of all, before this one's own.
  let reference: Int?
  /// The strategy's name and what distinguishes the variant in its experiment.
  var label: String

  /// Whether later prompt tokens choose what earlier queries see. A strategy that leaves the prompt dense (its
  /// parameter `prefill` is false) does not let them.
  var looksAhead: Bool {
    description.selectionLooksAhead && parameters["prefill"]?.booleanValue != false
  }

  /// The variants of all entries: `full` first, then in the order of the spec, except that one whose reference comes
  /// later stands after it. Variants that entries share stand once.
  static func all(of entries: [StrategyEntry]) -> [StrategyVariant] {
    let ordered = entries.filter { $0.name == "full" } + entries.filter { $0.name != "full" }
    var variants: [StrategyVariant] = []
    for (entry, isMatched) in emission(of: ordered) {
      for parameters in entry.grid.points {
        for budget in entry.budgets?.map(Optional.some) ?? [nil] {
          var references: [Int?] = [nil]
          if case .matching(let name, _)? = budget {
            guard isMatched else { continue }
            references = variants.indices.filter { variants[$0].description.name == name }
          } else if isMatched {
            continue
          }
          for reference in references {
            let variant = StrategyVariant(
              description: entry.description, parameters: parameters, budget: budget,
              reference: reference, label: "")
            if !variants.contains(variant) { variants.append(variant) }
          }
        }
      }
    }
    return labelled(variants)
  }

  /// Entries in the order in which their variants appear: first those with sizes of their own, then, marked, those
  /// with budgets that match; the latter as early as all variants of the strategies they match are there.
  private static func emission(
    of entries: [StrategyEntry]
  ) -> [(entry: StrategyEntry, isMatched: Bool)] {
    var result: [(entry: StrategyEntry, isMatched: Bool)] = []
    for (index, entry) in entries.enumerated() {
      result.append((entry, false))
      let known = Set(entries[...index].map(\.name))
      let open = Set(entries[(index + 1)...].map(\.name))
      for waiting in entries[...index]
      where !waiting.matchedNames.isEmpty && !result.contains(where: { $1 && $0 == waiting }) {
        if waiting.matchedNames.allSatisfy({ known.contains($0) && !open.contains($0) }) {
          result.append((waiting, true))
        }
      }
    }
    return result
  }

  // MARK: Labels

  /// Gives each variant its name and the parameters in which the variants of its strategy differ.
  private static func labelled(_ variants: [StrategyVariant]) -> [StrategyVariant] {
    var result = variants
    for (index, variant) in variants.enumerated() {
      let family = variants.filter { $0.description.name == variant.description.name }
      var words = [variant.description.name]
      for parameter in variant.description.parameters {
        let values = Set(family.map { $0.parameters[parameter.name] })
        guard values.count > 1, let value = variant.parameters[parameter.name], !value.isNull
        else { continue }
        words.append("\(parameter.name)=\(text(of: value))")
      }
      if let budget = variant.budget,
        Set(family.map { BudgetKey(budget: $0.budget, reference: $0.reference) }).count > 1
      {
        words += budgetWords(budget, family, reference: variant.reference.map { result[$0].label })
      }
      result[index].label = words.joined(separator: " ")
    }
    return result
  }

  private struct BudgetKey: Hashable {
    let budget: SpecBudget?
    let reference: Int?
  }

  private static func budgetWords(
    _ budget: SpecBudget, _ family: [StrategyVariant], reference: String?
  ) -> [String] {
    switch budget {
    case .fraction(let value), .density(let value), .mass(let value):
      return ["\(budget.form.rawValue)=\(JSONValue.number(value).canonicalText)"]
    case .tokens(let count), .bytes(let count): return ["\(budget.form.rawValue)=\(count)"]
    case .matching(let name, let use):
      let uses = Set(
        family.compactMap { variant in
          if case .matching(_, let use)? = variant.budget { use } else { nil }
        })
      return ["matching"] + (uses.count > 1 ? [use.rawValue, "of"] : []) + [reference ?? name]
    }
  }

  /// Text bare; a long list by its length and the first digits of its digest.
  private static func text(of value: JSONValue) -> String {
    if let string = value.stringValue { return string }
    let text = value.canonicalText
    guard text.count > 40, let elements = value.arrayValue else { return text }
    return "[\(elements.count) values \(CellIdentity.of(value).prefix(6))]"
  }
}
