import JSON
import Records

/// The strategies and tasks of a spec, and the values of their parameters.
extension SpecReader {
  // MARK: Strategies

  mutating func readStrategies(_ members: [String: JSONValue]) -> [SpecStrategy] {
    let names = environment.strategies.map(\.name)
    let allowed = "a list of strategies, each {\"name\": …} with its parameters"
    guard let value = required("strategies", of: members, allowed: allowed) else { return [] }
    let path = JSONPath.root.appending("strategies")
    let cache = readCache(members)
    guard let elements = list(value, at: path, allowed: allowed) else { return [] }
    var entries = elements.enumerated().compactMap { index, element in
      readStrategy(element, at: path.appending(index), among: names, cache: cache)
    }
    if !entries.contains(where: { $0.description.role == .reference }),
      let full = environment.strategies.first(where: { $0.role == .reference })
    {
      let full = full.withCache(default: environment.defaultCache)
      var grid = ParameterGrid(defaultsOf: full.parameters)
      grid.values[CacheAxis.name] = cache
      entries.insert(
        SpecStrategy(description: full, grid: grid, budgets: nil, path: nil), at: 0)
    }
    checkMatching(of: entries, spec: elements)
    return entries
  }

  /// The formats of the KV cache where a strategy says nothing of it.
  private mutating func readCache(_ members: [String: JSONValue]) -> [JSONValue] {
    let parameter = CacheAxis.parameter(default: environment.defaultCache)
    let before = problems.count
    let given = members.filter { $0.key == parameter.name }
    let grid = readGrid([parameter], from: given, at: .root)
    // What is wrong with it is said once.
    return problems.count == before
      ? grid.values[parameter.name] ?? [] : [parameter.defaultValue]
  }

  private mutating func readStrategy(
    _ element: JSONValue, at path: JSONPath, among names: [String], cache: [JSONValue]? = nil,
    as phase: StrategyPhase? = nil
  ) -> SpecStrategy? {
    guard let (name, members) = namedObject(element, at: path, what: "strategy", among: names),
      var description = environment.strategies.first(where: { $0.name == name })
    else { return nil }
    if cache != nil { description = description.withCache(default: environment.defaultCache) }
    refuseUnknownKeys(
      of: members, at: path,
      known: ["name"] + description.parameters.map(\.name)
        + (description.budgets.isEmpty ? [] : ["budget"]),
      alsoKnown: ["budget"], owner: name)
    var grid = readGrid(description.parameters, from: members, at: path)
    if let cache, members[CacheAxis.name] == nil { grid.values[CacheAxis.name] = cache }
    var acting = description
    if let phase { acting.phases = [phase] }
    let budgets = readBudgets(members, for: acting, at: path)
    if budgets != nil { refuseReplacedSizes(members, of: description, at: path) }
    resolveTexts(SpecEnvironment.strategyTextParameters, of: grid, given: members, at: path)
    return SpecStrategy(
      description: description, grid: grid, budgets: budgets,
      partDescriptions: description.hasParts ? environment.strategies.filter { !$0.hasParts } : [],
      path: path)
  }

  /// The strategies that a part stands for, every combination of the values in its lists: objects with `name`, all
  /// parameters and the budget. Null, and a list with null in it, leave the part out.
  private mutating func readParts(
    _ value: JSONValue, acting phase: StrategyPhase, at path: JSONPath
  ) -> [JSONValue] {
    let isList = value.arrayValue != nil
    let elements = value.arrayValue ?? [value]
    refuseRepeats(in: elements, at: path)
    var parts: [JSONValue] = []
    for (index, element) in elements.enumerated() {
      let place = isList ? path.appending(index) : path
      if element.isNull {
        parts.append(.null)
        continue
      }
      let names = environment.strategies.filter { $0.fits(phase) }.map(\.name)
      let name = element["name"]?.stringValue
      if let known = environment.strategies.first(where: { $0.name == name }), !known.fits(phase) {
        let reason =
          known.hasParts
          ? "is made of parts itself"
          : "acts in \(known.phases.isEmpty ? "no phase" : known.phases.map(\.rawValue).joined(separator: " and "))"
        report(
          place.appending("name"), .string(known.name),
          reason + ", so it is no part for \(phase.rawValue)",
          allowed: names.joined(separator: ", "))
        continue
      }
      guard let entry = readStrategy(element, at: place, among: names, as: phase) else { continue }
      let count = entry.grid.count.multipliedReportingOverflow(by: entry.budgets?.count ?? 1)
      guard !count.overflow, count.partialValue <= Self.maximumCells else {
        report(
          place, .string(entry.name), "stands for too many combinations",
          allowed: "at most \(Self.maximumCells)")
        continue
      }
      parts += entry.points.map { point in
        .object(point.merging(["name": .string(entry.name)]) { $1 })
      }
    }
    return parts
  }

  private mutating func refuseReplacedSizes(
    _ members: [String: JSONValue], of description: StrategyDescription, at path: JSONPath
  ) {
    for parameter in description.parameters where parameter.isReplacedByBudget {
      guard let value = members[parameter.name] else { continue }
      report(
        path.appending(parameter.name), value,
        "stands beside a budget, which sets \(parameter.name); give one of the two")
    }
  }

  // MARK: Tasks

  mutating func readTasks(_ members: [String: JSONValue]) -> [SpecTask] {
    let names = environment.tasks.map(\.name)
    let allowed = "a list of tasks, each {\"name\": …} with its parameters"
    guard let value = required("tasks", of: members, allowed: allowed) else { return [] }
    let path = JSONPath.root.appending("tasks")
    guard let elements = list(value, at: path, allowed: allowed) else { return [] }
    var entries: [SpecTask] = []
    for (index, element) in elements.enumerated() {
      let place = path.appending(index)
      guard let (name, members) = namedObject(element, at: place, what: "task", among: names),
        let description = environment.tasks.first(where: { $0.name == name })
      else { continue }
      refuseUnknownKeys(
        of: members, at: place,
        known: ["name"] + description.parameters.map(\.name) + ["contextLengths"], owner: name)
      let contextLengths = readOwnContextLengths(members, at: place)
      let grid = readGrid(description.parameters, from: members, at: place)
      for name in CellIdentity.timingParameters where (grid.values[name]?.count ?? 0) > 1 {
        report(
          place.appending(name), members[name],
          "would give the same cell several times, since it changes timings only",
          allowed: "one value")
      }
      // A text that has no default is a file of the user's; others may be shipped ones.
      let texts = description.textParameters.filter { description.textPaths[$0] == nil }
      let isOwn = { (name: String) in description.parameter(named: name)?.isRequired == true }
      resolveTexts(texts.filter { !isOwn($0) }, of: grid, given: members, at: place)
      resolveTexts(
        texts.filter(isOwn), of: grid, given: members, at: place, includingShipped: false)
      resolveTextPaths(of: description, grid: grid, at: place)
      entries.append(
        SpecTask(
          description: description, grid: grid, contextLengths: contextLengths, path: place))
    }
    return entries
  }

  // MARK: Both

  /// The members of `{"name": …}`, if the name is known.
  private mutating func namedObject(
    _ value: JSONValue, at path: JSONPath, what: String, among names: [String]
  ) -> (name: String, members: [String: JSONValue])? {
    let allowed = "an object {\"name\": …} with the \(what)'s parameters"
    if let word = value.stringValue {
      report(
        path, value, "is a string; write {\"name\": \"\(word)\"}", allowed: allowed, among: [])
      return nil
    }
    guard let members = object(value, at: path, what: allowed) else { return nil }
    if members["name"] == nil {
      // Which keys are known is up to the name; a misspelt "name" can be told all the same.
      for key in members.keys.sorted() where NearestWord.to(key, among: ["name"]) != nil {
        report(
          path.appending(key), .string(key), "is no key of a \(what)",
          allowed: "name, and the \(what)'s parameters", among: ["name"])
      }
    }
    guard
      let nameValue = required(
        "name", of: members, at: path, allowed: names.joined(separator: ", "))
    else { return nil }
    guard let name = nameValue.stringValue, names.contains(name) else {
      report(
        path.appending("name"), nameValue,
        nameValue.stringValue == nil ? "is \(nameValue.kindName)" : "is no \(what)",
        allowed: names.joined(separator: ", "), among: names)
      return nil
    }
    return (name, members)
  }

  /// The values of every parameter; a list given for a scalar is an axis.
  private mutating func readGrid(
    _ parameters: [ParameterDescription], from members: [String: JSONValue], at path: JSONPath
  ) -> ParameterGrid {
    var grid = ParameterGrid(defaultsOf: parameters)
    for parameter in parameters {
      if parameter.isRequired {
        _ = required(
          parameter.name, of: members, at: path,
          allowed: "\(parameter.kind.allowedText): \(parameter.summary)")
      }
      guard let value = members[parameter.name] else { continue }
      let place = path.appending(parameter.name)
      if let phase = parameter.partPhase {
        if value.arrayValue?.isEmpty == true {
          report(
            place, value, "is an empty list",
            allowed: "\(parameter.kind.allowedText), or a list of such values")
          continue
        }
        let parts = readParts(value, acting: phase, at: place)
        // Without any the default stands in for what has been reported.
        if !parts.isEmpty { grid.values[parameter.name] = parts }
      } else if !parameter.kind.isList, let elements = value.arrayValue {
        if elements.isEmpty {
          report(
            place, value, "is an empty list",
            allowed: "\(parameter.kind.allowedText), or a list of such values")
          continue
        }
        let values = elements.map(parameter.kind.canonical)
        refuseRepeats(in: values, at: place)
        for (index, element) in elements.enumerated() {
          check(element, of: parameter, at: place.appending(index))
        }
        grid.values[parameter.name] = values
      } else {
        check(value, of: parameter, at: place)
        grid.values[parameter.name] = [parameter.kind.canonical(value)]
      }
    }
    return grid
  }

  private mutating func check(
    _ value: JSONValue, of parameter: ParameterDescription, at path: JSONPath
  ) {
    // Where the default is worked out at run time, null asks for it.
    if value.isNull && parameter.defaultValue.isNull && !parameter.isRequired { return }
    if case .list(let kind) = parameter.kind, let elements = value.arrayValue, !elements.isEmpty {
      for (index, element) in elements.enumerated() {
        if let complaint = kind.complaint(about: element) {
          report(
            path.appending(index), element, complaint, allowed: kind.allowedText, among: kind.words)
        }
      }
    } else if let complaint = parameter.kind.complaint(about: value) {
      report(
        path, value, complaint, allowed: parameter.kind.allowedText, among: parameter.kind.words)
    }
  }

  /// Texts that several parameters name together: told at the entry's parameter, with the path.
  private mutating func resolveTextPaths(
    of description: TaskDescription, grid: ParameterGrid, at path: JSONPath
  ) {
    guard !description.textPaths.isEmpty else { return }
    for values in grid.points {
      for name in description.textPaths.keys.sorted() {
        guard
          let word = TaskDescription.textWord(
            of: name, in: values, paths: description.textPaths)
        else { continue }
        resolveText(word, at: path.appending(name), includingShipped: false)
      }
    }
  }

  private mutating func resolveTexts(
    _ names: [String], of grid: ParameterGrid, given members: [String: JSONValue],
    at path: JSONPath, includingShipped: Bool = true
  ) {
    for name in names {
      for (index, value) in (grid.values[name] ?? []).enumerated() {
        guard let word = value.stringValue else { continue }
        let isAxis = members[name]?.arrayValue != nil
        let place = path.appending(name)
        resolveText(
          word, at: isAxis ? place.appending(index) : place, includingShipped: includingShipped)
      }
    }
  }

  private mutating func resolveText(
    _ word: String, at path: JSONPath, includingShipped: Bool
  ) {
    if let known = textDigests[word], known != nil { return }
    do {
      textDigests[word] = try environment.textDigest(word)
    } catch {
      textDigests[word] = .some(nil)
      report(
        path, .string(word), "is no text that can be read: \(error)",
        allowed: includingShipped
          ? "\(environment.shippedTexts.joined(separator: ", ")), or the path of a file, relative to the spec file"
          : "the path of a file, relative to the spec file",
        among: includingShipped ? environment.shippedTexts : [])
    }
  }
}
