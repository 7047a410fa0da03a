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
  static func all(of entries: [SpecStrategy]) -> [StrategyVariant] {
    let ordered = entries.filter { $0.name == "full" } + entries.filter { $0.name != "full" }
    var variants: [StrategyVariant] = []
    var seen: Set<StrategyVariant> = []
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
            if seen.insert(variant).inserted { variants.append(variant) }
          }
        }
      }
    }
    return labelled(variants)
  }

  /// Entries in the order in which their variants appear: first those with sizes of their own, then, marked, those
  /// with budgets that match; the latter as early as all variants of the strategies they match are there.
  private static func emission(
    of entries: [SpecStrategy]
  ) -> [(entry: SpecStrategy, isMatched: Bool)] {
    var result: [(entry: SpecStrategy, isMatched: Bool)] = []
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
    let families = Dictionary(grouping: variants, by: \.description.name).mapValues(Family.init)
    var result = variants
    for (index, variant) in variants.enumerated() {
      guard let family = families[variant.description.name] else { continue }
      var words = [variant.description.name]
      for name in family.varyingParameters {
        let isReplaced = variant.description.parameters.contains {
          $0.name == name && $0.isReplacedByBudget
        }
        guard variant.budget == nil || !isReplaced else { continue }
        guard let value = variant.parameters[name], !value.isNull else { continue }
        words.append("\(name)=\(text(of: value))")
      }
      if let budget = variant.budget, family.budgetsVary {
        words += budgetWords(
          budget, namesUse: family.usesVary,
          reference: variant.reference.map { result[$0].label })
      }
      result[index].label = words.joined(separator: " ")
    }
    return result
  }

  /// In what the variants of one strategy differ.
  private struct Family {
    /// In the order of the description.
    let varyingParameters: [String]
    let budgetsVary: Bool
    /// Whether their budgets match different uses of another strategy.
    let usesVary: Bool

    init(_ variants: [StrategyVariant]) {
      // A size that a budget sets instead says nothing of the variants that have a budget.
      varyingParameters = (variants.first?.description.parameters ?? []).filter { parameter in
        let telling = variants.filter { !parameter.isReplacedByBudget || $0.budget == nil }
        return Set(telling.map { $0.parameters[parameter.name] }).count > 1
      }.map(\.name)
      budgetsVary =
        Set(variants.map { BudgetKey(budget: $0.budget, reference: $0.reference) }).count > 1
      let uses = variants.compactMap { variant in
        if case .matching(_, let use)? = variant.budget { use } else { nil }
      }
      usesVary = Set(uses).count > 1
    }
  }

  private struct BudgetKey: Hashable {
    let budget: SpecBudget?
    let reference: Int?
  }

  private static func budgetWords(
    _ budget: SpecBudget, namesUse: Bool, reference: String?
  ) -> [String] {
    switch budget {
    case .fraction(let value), .density(let value), .mass(let value):
      return ["\(budget.form.rawValue)=\(JSONValue.number(value).canonicalText)"]
    case .tokens(let count), .bytes(let count): return ["\(budget.form.rawValue)=\(count)"]
    case .matching(let name, let use):
      return ["matching"] + (namesUse ? [use.rawValue, "of"] : []) + [reference ?? name]
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
