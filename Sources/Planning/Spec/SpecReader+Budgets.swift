import Attention
import JSON
import Records

/// Budgets, and what they match.
extension SpecReader {
  /// The forms that a strategy accepts in the phases that it acts in: a mean of what a cache holds says nothing of a part
  /// that does not decide it.
  private static func forms(of description: StrategyDescription) -> [BudgetForm] {
    description.budgets.filter {
      $0 != .meanKvBytes || description.phases.contains(.retention)
    }
  }

  /// The same as messages list them: `fraction, tokens`.
  private static func formList(of description: StrategyDescription) -> String {
    forms(of: description).map(\.rawValue).joined(separator: ", ")
  }

  /// The same as a spec writes them: `{"fraction": f} or {"tokens": t}`.
  private static func writtenForms(of description: StrategyDescription) -> String {
    let all = forms(of: description).map { form -> String in
      switch form {
      case .fraction: "{\"fraction\": f}"
      case .tokens: "{\"tokens\": t}"
      case .bytes: "{\"bytes\": b}"
      case .meanKvBytes: "{\"meanKvBytes\": s}"
      case .density: "{\"density\": x}"
      case .mass: "{\"mass\": p}"
      case .matching: "{\"matching\": strategy, \"of\": use}"
      }
    }
    guard let last = all.last, all.count > 1 else { return all.joined() }
    return all.dropLast().joined(separator: ", ") + " or " + last
  }

  /// The budgets of a strategy, or of a part that acts in one phase, every combination of the values in its lists; nil
  /// where none is given.
  mutating func readBudgets(
    _ members: [String: JSONValue], for description: StrategyDescription, at path: JSONPath
  ) -> [StatedBudget]? {
    guard let value = members["budget"] else { return nil }
    let place = path.appending("budget")
    if description.budgets.isEmpty {
      report(
        place, value, "is given to \(description.name), which takes no budget; leave it out")
      return nil
    }
    guard let elements = value.arrayValue else {
      return readBudget(value, for: description, at: place)
    }
    if elements.isEmpty {
      report(place, value, "is an empty list", allowed: Self.allowedText(description))
      return []
    }
    var budgets: [StatedBudget] = []
    for (index, element) in elements.enumerated() {
      for budget in readBudget(element, for: description, at: place.appending(index)) {
        if budgets.contains(budget) {
          report(place.appending(index), element, "stands twice in this list; keep one")
        } else {
          budgets.append(budget)
        }
      }
    }
    return budgets
  }

  private static func allowedText(_ description: StrategyDescription) -> String {
    "a budget of \(description.name): \(formList(of: description))"
  }

  /// One budget, or an axis of them where its value is a list; empty where it is wrong.
  private mutating func readBudget(
    _ value: JSONValue, for description: StrategyDescription, at path: JSONPath
  ) -> [StatedBudget] {
    guard let members = object(value, at: path, what: Self.writtenForms(of: description)) else {
      return []
    }
    refuseUnknownKeys(
      of: members, at: path, known: Self.forms(of: description).map(\.rawValue),
      alsoKnown: BudgetForm.allCases.map(\.rawValue) + ["of"], owner: "a budget")
    let given = BudgetForm.allCases.filter { members[$0.rawValue] != nil }
    guard let form = given.first else {
      if members.isEmpty || members["of"] != nil {
        report(path, value, "says no size", allowed: Self.allowedText(description))
      }
      return []
    }
    if given.count > 1 {
      report(
        path, value, "says \(given.map(\.rawValue).joined(separator: " and "))",
        allowed: "one of them")
      return []
    }
    guard description.budgets.contains(form) else {
      report(
        path.appending(form.rawValue), .string(form.rawValue),
        "is no form of budget that \(description.name) accepts",
        allowed: Self.formList(of: description))
      return []
    }
    guard let size = members[form.rawValue] else { return [] }
    if !Self.forms(of: description).contains(form) {
      report(
        path.appending(form.rawValue), .string(form.rawValue),
        "says what a cache holds, and this is no part that decides it",
        allowed: Self.formList(of: description))
      return []
    }
    if form == .matching { return readMatching(size, members, for: description, at: path) }
    if let use = members["of"] {
      report(path.appending("of"), use, "belongs to \"matching\" only; leave it out")
    }
    return axis(size, at: path.appending(form.rawValue)).compactMap { size, place in
      readSize(size, form, at: place)
    }
  }

  /// The values of a list, or the one value, with their places.
  private mutating func axis(
    _ value: JSONValue, at path: JSONPath
  ) -> [(value: JSONValue, path: JSONPath)] {
    guard let elements = value.arrayValue else { return [(value, path)] }
    if elements.isEmpty {
      report(path, value, "is an empty list", allowed: "a value, or a list of values")
    }
    refuseRepeats(in: elements, at: path)
    return elements.enumerated().map { ($1, path.appending($0)) }
  }

  private mutating func readSize(
    _ value: JSONValue, _ form: BudgetForm, at path: JSONPath
  ) -> StatedBudget? {
    switch form {
    case .tokens, .bytes:
      let kind = ParameterKind.integer(minimum: 1, maximum: nil)
      if let complaint = kind.complaint(about: value) {
        report(path, value, complaint, allowed: kind.allowedText)
        return nil
      }
    default:
      guard let share = value.doubleValue, share > 0, share <= 1 else {
        report(
          path, value, value.doubleValue == nil ? "is \(value.kindName)" : "is out of range",
          allowed: "a number above 0, at most 1")
        return nil
      }
    }
    return StatedBudget([form.rawValue: value])
  }

  private mutating func readMatching(
    _ name: JSONValue, _ members: [String: JSONValue], for description: StrategyDescription,
    at path: JSONPath
  ) -> [StatedBudget] {
    let known = StatedBudget.MatchedUse.allCases.map(\.rawValue)
    let possible = Self.uses(of: description)
    // What a cache holds is matched over the decode steps of a task that has any.
    var uses: [StatedBudget.MatchedUse?] = []
    var stated: [(value: JSONValue, path: JSONPath)] = []
    if let of = members["of"] {
      stated = axis(of, at: path.appending("of"))
    } else {
      uses = [possible.contains(.meanKvBytes) ? nil : possible.first]
    }
    for (value, place) in stated {
      guard let use = value.stringValue.flatMap(StatedBudget.MatchedUse.init(rawValue:)) else {
        report(
          place, value, "is nothing that can be matched",
          allowed: known.joined(separator: ", "), among: known)
        continue
      }
      if !possible.contains(use) {
        report(
          place, value, "is nothing that \(description.name) can match here",
          allowed: possible.map(\.rawValue).joined(separator: ", "))
        continue
      }
      uses.append(use)
    }
    var budgets: [StatedBudget] = []
    for (value, place) in axis(name, at: path.appending("matching")) {
      guard let name = value.stringValue else {
        report(
          place, value, "is \(value.kindName)",
          allowed: "the name of a strategy, or the label of a variant")
        continue
      }
      budgets += uses.map { .matching(name, of: $0) }
    }
    return budgets
  }

  /// What a strategy with these phases can match, first what it does where nothing is said.
  private static func uses(of description: StrategyDescription) -> [StatedBudget.MatchedUse] {
    let density = description.budgets.contains(.density) ? [StatedBudget.MatchedUse.density] : []
    if description.phases == [.prefill] { return density }
    let bytes: [StatedBudget.MatchedUse] =
      description.phases.contains(.retention) ? [.kvBytes, .meanKvBytes] : [.kvBytes]
    return bytes + density
  }

  // MARK: Who matches whom

  /// Refuses names and labels that the spec does not have, strategies that match each other in a ring, and the
  /// matching of a matched strategy.
  mutating func checkMatching(of entries: [SpecStrategy], spec: [JSONValue]) {
    // A misspelt name has been reported; a budget that names it, rightly or so, is no second mistake.
    let written = spec.compactMap { $0["name"]?.stringValue }
    let known = environment.strategies.map(\.name)
    let meant = written.filter { !known.contains($0) }.compactMap {
      NearestWord.to($0, among: known)
    }
    let references = environment.strategies.filter { $0.role == .reference }.map(\.name)
    let names = references + written + meant
    // A misspelt one is nothing to recommend.
    let right = Set(names).intersection(known)
    var matched: [String: Set<String>] = [:]
    for entry in entries { matched[entry.name, default: []].formUnion(entry.matchedNames) }

    // Of a spec with other mistakes, or of a grid that will be refused, nobody knows the labels.
    let count = entries.reduce(0) {
      Self.added($0, Self.product([$1.grid.count, $1.budgets?.count ?? 1]))
    }
    let hasLabels = problems.isEmpty && count <= Self.maximumCells
    for entry in entries {
      guard let path = entry.path else { continue }
      for (budget, place) in matchedPlaces(of: entry, at: path) {
        guard let name = budget.matchedName, let text = budget.matchedText else { continue }
        if !names.contains(name) {
          let exists = environment.strategies.contains { $0.name == name }
          report(
            place, .string(name),
            exists ? "is not among the strategies of this spec; add it" : "is no strategy",
            allowed: right.subtracting([entry.name]).sorted().joined(separator: ", "),
            among: right.sorted())
        } else if let ring = Self.ring(from: entry.name, through: name, matched) {
          report(
            place, .string(name),
            "closes a ring of budgets that match each other: \(ring.joined(separator: " → "))",
            allowed: "a strategy with a size of its own")
        } else if let next = matched[name]?.sorted().first {
          report(
            place, .string(name), "is matched to \"\(next)\" itself; match \"\(next)\"",
            allowed: "a strategy with a size of its own")
        } else if hasLabels, text != name {
          let labels = StrategyVariant.all(of: entries.filter { $0.name == name }).map(\.label)
          if !labels.contains(text) {
            report(
              place, .string(text), "is the label of no variant of \(name) in this spec",
              allowed: ([name] + labels.filter { $0 != name }).joined(separator: ", "),
              among: labels)
          }
        }
      }
    }
  }

  /// Everything that an entry's budgets, and those of its parts, match, with its place in the text.
  private func matchedPlaces(
    of entry: SpecStrategy, at path: JSONPath
  ) -> [(budget: StatedBudget, path: JSONPath)] {
    let parts = entry.description.parameters.filter { $0.partPhase != nil }
      .flatMap { elements(at: path.appending($0.name)) }
    return ([path] + parts.map(\.path)).flatMap { owner in
      elements(at: owner.appending("budget")).flatMap { budget in
        elements(at: budget.path.appending("matching")).compactMap { element in
          element.value.stringValue.map { (.matching($0, of: nil), element.path) }
        }
      }
    }
  }

  /// The elements of a list in the text, or its one value, with their places; empty where there is nothing.
  private func elements(at path: JSONPath) -> [(value: JSONValue, path: JSONPath)] {
    guard let value = document.value.value(at: path) else { return [] }
    guard let elements = value.arrayValue else { return [(value, path)] }
    return elements.enumerated().map { ($1, path.appending($0)) }
  }

  /// The names from `start` over `next` back to `start`; nil where no way leads back.
  private static func ring(
    from start: String, through next: String, _ matched: [String: Set<String>]
  ) -> [String]? {
    var ways = [[start, next]]
    var seen: Set<String> = []
    while let way = ways.popLast(), let last = way.last {
      if last == start { return way }
      guard seen.insert(last).inserted else { continue }
      for name in (matched[last] ?? []).sorted().reversed() { ways.append(way + [name]) }
    }
    return nil
  }
}

extension JSONValue {
  /// The value at a place; nil where there is none.
  fileprivate func value(at path: JSONPath) -> JSONValue? {
    path.components.reduce(Optional(self)) { value, component in
      switch component {
      case .key(let key): value?[key]
      case .index(let index): value?[index]
      }
    }
  }
}
