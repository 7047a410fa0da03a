import Attention
import JSON
import Records
import Tensors

/// A strategy with one value for each parameter: what the strategy axis of the grid runs over.
struct StrategyVariant: Sendable, Hashable {
  let description: StrategyDescription
  let parameters: [String: JSONValue]
  let budget: StatedBudget?
  /// The variant whose use a `matching` budget matches: an index into the list of all, before this one's own.
  let reference: Int?
  /// The same for the budgets of its parts, by the parameter that holds the part.
  var partReferences: [String: Int] = [:]
  /// The strategies that can be parts of it.
  var partDescriptions: [StrategyDescription] = []
  /// The strategy's name and what distinguishes the variant in its experiment.
  var label = ""

  /// The strategy itself; nil where nothing of its name is built in.
  var configured: ConfiguredStrategy? {
    var members = parameters
    members["budget"] = budget?.jsonValue
    return try? StrategyRegistry.builtIn.entry(named: description.name)?.configure(.object(members))
  }

  /// The same for a task in which tokens are decoded after the prompt, or not: what its budgets match is said.
  func whereTokensAreDecoded(_ areDecoded: Bool) -> StrategyVariant {
    var parameters = parameters
    for parameter in description.parameters where parameter.partPhase != nil {
      guard let part = parameters[parameter.name],
        let budget = part["budget"].flatMap(StatedBudget.init)
      else { continue }
      parameters[parameter.name] = part.replacing(
        "budget", by: budget.whereTokensAreDecoded(areDecoded).jsonValue)
    }
    return StrategyVariant(
      description: description, parameters: parameters,
      budget: budget?.whereTokensAreDecoded(areDecoded), reference: reference,
      partReferences: partReferences, partDescriptions: partDescriptions, label: label)
  }

  /// Its own reference, else that of the first part that has one.
  var firstReference: Int? {
    reference ?? description.parameters.lazy.compactMap { partReferences[$0.name] }.first
  }

  /// A part as a variant of its own strategy; nil where there is none.
  private func part(_ parameter: ParameterDescription) -> StrategyVariant? {
    guard parameter.partPhase != nil, var members = parameters[parameter.name]?.objectValue,
      let name = members.removeValue(forKey: "name")?.stringValue,
      let description = partDescriptions.first(where: { $0.name == name })
    else { return nil }
    let budget = members.removeValue(forKey: "budget").flatMap(StatedBudget.init)
    return StrategyVariant(
      description: description, parameters: members, budget: budget,
      reference: partReferences[parameter.name])
  }

  /// The variants of all entries: `full` first, then in the order of the spec, except that one whose reference comes
  /// later stands after it. Variants that entries share stand once.
  static func all(of entries: [SpecStrategy]) -> [StrategyVariant] {
    let ordered = entries.filter { $0.name == "full" } + entries.filter { $0.name != "full" }
    var variants: [StrategyVariant] = []
    var seen: Set<StrategyVariant> = []
    // What a budget names is there, whole, before the first variant that matches it.
    var matches: [String: [Int]] = [:]
    for (entry, isMatched) in emission(of: ordered) {
      for parameters in entry.grid.points {
        for budget in entry.budgets?.map(Optional.some) ?? [nil] {
          let variant = StrategyVariant(
            description: entry.description, parameters: parameters, budget: budget, reference: nil,
            partDescriptions: entry.partDescriptions)
          guard variant.isMatched == isMatched else { continue }
          for variant in variant.withReferences(among: variants, &matches)
          where seen.insert(variant).inserted {
            variants.append(variant)
          }
        }
      }
    }
    return labelled(variants)
  }

  private var isMatched: Bool {
    budget?.matchedName != nil
      || description.parameters.contains { part($0)?.budget?.matchedName != nil }
  }

  /// One variant for each choice of a reference for each budget that matches; itself where none does.
  private func withReferences(
    among variants: [StrategyVariant], _ matches: inout [String: [Int]]
  ) -> [StrategyVariant] {
    func references(_ budget: StatedBudget?) -> [Int?] {
      guard let text = budget?.matchedText else { return [nil] }
      let named = matches[text] ?? Self.indices(of: text, among: variants)
      matches[text] = named
      // Of the same cache, if there is one.
      let alike = named.filter {
        variants[$0].parameters[CacheAxis.name] == parameters[CacheAxis.name]
      }
      return alike.isEmpty ? named : alike
    }
    let own = references(budget).map { reference in
      StrategyVariant(
        description: description, parameters: parameters, budget: budget?.matchingName,
        reference: reference, partDescriptions: partDescriptions)
    }
    return description.parameters.reduce(own) { variants, parameter in
      variants.flatMap { variant in
        references(part(parameter)?.budget).map { reference in
          var copy = variant
          copy.partReferences[parameter.name] = reference
          return copy
        }
      }
    }
  }

  /// The variants that a `matching` budget means: those of a strategy's name, or the one of a label.
  private static func indices(of text: String, among variants: [StrategyVariant]) -> [Int] {
    let name = StatedBudget.matching(text, of: nil).matchedName
    let named = variants.indices.filter { variants[$0].description.name == name }
    if text == name { return named }
    return zip(named, labelled(named.map { variants[$0] })).filter { $1.label == text }.map(\.0)
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

  /// Gives each variant its name, the names of its parts, and the parameters in which the variants of its strategy, or
  /// the same part of several, differ.
  private static func labelled(_ variants: [StrategyVariant]) -> [StrategyVariant] {
    let families = Dictionary(grouping: variants, by: \.description.name).mapValues(Family.init)
    let partFamilies = Dictionary(
      grouping: variants.flatMap { variant in
        variant.description.parameters.compactMap { parameter in
          variant.part(parameter).map { (owner: Part(variant, parameter, $0), part: $0) }
        }
      }, by: \.owner
    ).mapValues { Family($0.map(\.part)) }
    var result = variants
    for (index, variant) in variants.enumerated() {
      var words = [variant.description.name]
      for parameter in variant.description.parameters {
        guard let part = variant.part(parameter) else { continue }
        let distinguishing =
          partFamilies[Part(variant, parameter, part)]?.words(of: part) { result[$0].label } ?? []
        words.append(
          "\(parameter.name)=\(part.description.name)"
            + (distinguishing.isEmpty ? "" : "(\(distinguishing.joined(separator: " ")))"))
      }
      words += families[variant.description.name]?.words(of: variant) { result[$0].label } ?? []
      result[index].label = words.joined(separator: " ")
    }
    return result
  }

  /// The same strategy in the same place of variants of one strategy.
  private struct Part: Hashable {
    let owner: String
    let parameter: String
    let name: String

    init(_ owner: StrategyVariant, _ parameter: ParameterDescription, _ part: StrategyVariant) {
      self.owner = owner.description.name
      self.parameter = parameter.name
      name = part.description.name
    }
  }

  /// In what the variants of one strategy differ.
  private struct Family {
    /// In the order of the description.
    let varyingParameters: [String]
    /// Where several vary: the value that more than half of the variants have, which goes without saying.
    let usual: [String: JSONValue]
    let budgetsVary: Bool
    /// Whether their budgets match different uses of another strategy.
    let usesVary: Bool

    init(_ variants: [StrategyVariant]) {
      // A size that a budget sets instead says nothing of the variants that have a budget.
      var varying: [String] = []
      var usual: [String: JSONValue] = [:]
      for parameter in variants.first?.description.parameters ?? [] {
        if parameter.partPhase != nil { continue }
        let telling = variants.filter { !parameter.isReplacedByBudget || $0.budget == nil }
        let values = telling.map { $0.parameters[parameter.name] ?? .null }
        let counts = values.reduce(into: [JSONValue: Int]()) { $0[$1, default: 0] += 1 }
        guard counts.count > 1 else { continue }
        varying.append(parameter.name)
        if parameter.isAnchor { continue }
        // A value that is not there has no words either, so two kinds of silence would be one.
        let common = counts.first { 2 * $0.value > values.count }?.key
        if common == .null || counts[.null] == nil { usual[parameter.name] = common }
      }
      varyingParameters = varying
      self.usual = varying.count > 1 ? usual : [:]
      budgetsVary =
        Set(variants.map { BudgetKey(budget: $0.budget, reference: $0.reference) }).count > 1
      let uses = variants.compactMap { variant in
        if case .matching(_, let use)? = variant.budget { use } else { nil }
      }
      usesVary = Set(uses).count > 1
    }

    /// What tells a variant from the others.
    func words(of variant: StrategyVariant, label: (Int) -> String) -> [String] {
      var words: [String] = []
      for name in varyingParameters {
        let isReplaced = variant.description.parameters.contains {
          $0.name == name && $0.isReplacedByBudget
        }
        guard variant.budget == nil || !isReplaced else { continue }
        guard let value = variant.parameters[name], !value.isNull, value != usual[name] else {
          continue
        }
        words.append("\(name)=\(text(of: value))")
      }
      if let budget = variant.budget, budgetsVary {
        words += budgetWords(
          budget, namesUse: usesVary, reference: variant.reference.map(label))
      }
      return words
    }
  }

  private struct BudgetKey: Hashable {
    let budget: StatedBudget?
    let reference: Int?
  }

  private static func budgetWords(
    _ budget: StatedBudget, namesUse: Bool, reference: String?
  ) -> [String] {
    switch budget {
    case .fraction(let value), .meanKvBytes(let value), .density(let value), .mass(let value):
      return ["\(budget.form.rawValue)=\(JSONValue.number(value).canonicalText)"]
    case .tokens(let count), .bytes(let count): return ["\(budget.form.rawValue)=\(count)"]
    case .matching(let name, let use):
      return ["matching"] + (namesUse ? use.map { [$0.rawValue, "of"] } ?? [] : [])
        + [reference ?? name]
    }
  }

  /// Text bare; a long list by its length and the first digits of its digest.
  private static func text(of value: JSONValue) -> String {
    if let string = value.stringValue { return string }
    if value.objectValue != nil, let format = try? CacheFormat(stated: value) {
      return format.label
    }
    let text = value.canonicalText
    guard text.count > 40, let elements = value.arrayValue else { return text }
    return "[\(elements.count) values \(CellIdentity.of(value).prefix(6))]"
  }
}
