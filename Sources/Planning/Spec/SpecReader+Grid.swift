import Attention
import JSON
import Records

/// Checks that need the whole grid: its size, cells that stand twice, configurations that contradict themselves.
extension SpecReader {
  /// False, and said, where there are more cells than anybody wants.
  mutating func gridFits(_ spec: ExperimentSpec) -> Bool {
    let strategies = spec.strategies.reduce(0) { sum, entry in
      let references = spec.strategies.filter { entry.matchedNames.contains($0.name) }
      let matched = references.reduce(1) { max($0, $1.grid.count) }
      return Self.added(sum, Self.product([entry.grid.count, entry.budgets?.count ?? 1, matched]))
    }
    let places = spec.tasks.reduce(0) { sum, task in
      let lengths = spec.models.reduce(0) { $0 + spec.contextLengthCount(of: $1, task) }
      return Self.added(sum, Self.product([max(1, lengths), task.grid.count]))
    }
    // Models or lengths that are missing make no huge grid small.
    let cells = Self.product([strategies, max(1, places)])
    guard cells > Self.maximumCells else { return true }
    report(
      .root, nil,
      "the grid has \(cells == .max ? "too many" : "\(cells)") cells: models x contextLengths x strategies x tasks",
      allowed: "at most \(Self.maximumCells)")
    return false
  }

  static func product(_ factors: [Int]) -> Int {
    factors.reduce(1) { product, factor in
      let (result, overflow) = product.multipliedReportingOverflow(by: factor)
      return overflow ? .max : result
    }
  }

  static func added(_ left: Int, _ right: Int) -> Int {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
  }

  /// Refuses an entry whose cells earlier entries have all; cells that some entries share are planned once.
  mutating func refuseRepeatedEntries(_ spec: ExperimentSpec) {
    var seen: Set<JSONValue> = []
    for entry in spec.strategies {
      let budgets = entry.budgets.map { $0.map(\.jsonValue) } ?? [.null]
      let keys = entry.grid.points.flatMap { point in
        let parameters = CellIdentity.parameters(
          point, textParameters: SpecEnvironment.strategyTextParameters, textDigests: knownDigests)
        return budgets.map { JSONValue.array([.string(entry.name), parameters, $0]) }
      }
      refuseRepeat(keys, &seen, name: entry.name, at: entry.path)
    }
    seen = []
    for entry in spec.tasks {
      // Lengths that could not be read are the same for all tasks.
      let lengths = spec.contextLengths.isEmpty ? [0] : spec.contextLengths(of: entry)
      let keys = entry.grid.points.flatMap { point in
        let parameters = CellIdentity.parameters(
          point, textParameters: entry.description.textParameters,
          textPaths: entry.description.textPaths, textDigests: knownDigests)
        return lengths.map { JSONValue.array([.string(entry.name), parameters, .integer($0)]) }
      }
      refuseRepeat(keys, &seen, name: entry.name, at: entry.path)
    }
  }

  private var knownDigests: [String: String] { textDigests.compactMapValues { $0 } }

  private mutating func refuseRepeat(
    _ keys: [JSONValue], _ seen: inout Set<JSONValue>, name: String, at path: JSONPath?
  ) {
    let isRepeat = !keys.isEmpty && keys.allSatisfy(seen.contains)
    seen.formUnion(keys)
    if isRepeat, let path {
      report(path, .string(name), "gives the same cells as an earlier entry; remove it")
    }
  }

  /// Refuses the prefill protocol where an oracle has to be told what follows the prompt: nothing does.
  mutating func refuseOraclesWithoutFuture(_ spec: ExperimentSpec) {
    func readsFuture(_ name: String?) -> Bool {
      environment.strategies.contains { $0.name == name && $0.readsFuture }
    }
    let oracle = spec.strategies.first { entry in
      entry.description.readsFuture
        || entry.grid.points.contains { values in
          entry.description.parameters.contains {
            $0.partPhase != nil && readsFuture(values[$0.name]?["name"]?.stringValue)
          }
        }
    }
    guard let oracle else { return }
    for task in spec.tasks {
      let values = task.grid.values["protocol"] ?? []
      for (index, value) in values.enumerated() where value.stringValue == "prefill" {
        let place = task.path.appending("protocol")
        report(
          values.count > 1 ? place.appending(index) : place, value,
          "leaves nothing after the prompt, which \(oracle.name) has to be told",
          allowed: "continuation; or leave \(oracle.name) to a spec of its own")
      }
    }
  }

  // MARK: Configurations

  /// Asks strategies and tasks about every combination, once nothing else is wrong with it.
  mutating func checkConfigurations(
    _ spec: ExperimentSpec, models: [ModelFacts], contexts: [(value: Int, path: JSONPath)]
  ) {
    let wrong = problems.map(\.path)
    func isSound(_ path: JSONPath) -> Bool {
      !wrong.contains { $0.components.starts(with: path.components) }
    }
    for entry in spec.strategies {
      guard let path = entry.path, isSound(path) else { continue }
      for parameters in entry.points {
        for model in models {
          let complaints = environment.strategyProblems(
            entry.name, .object(parameters), model)
          for complaint in complaints {
            report(
              complaint, of: parameters, axes: entry.grid, at: path,
              elsewhere: path, note: models.count > 1 ? " (\(model.name))" : "")
          }
        }
      }
    }
    for entry in spec.tasks where isSound(entry.path) {
      let lengths = Set(spec.contextLengths(of: entry))
      for parameters in entry.grid.points {
        for complaint in environment.fileProblems(entry.name, .object(parameters)) {
          report(
            complaint, of: parameters, axes: entry.grid, at: entry.path, elsewhere: entry.path,
            note: "")
        }
        for context in contexts where lengths.contains(context.value) {
          let complaints = environment.taskProblems(
            entry.name, .object(parameters), context.value)
          for complaint in complaints {
            report(
              complaint, of: parameters, axes: entry.grid, at: entry.path,
              elsewhere: context.path, note: " (contextLength \(context.value))")
          }
        }
      }
    }
  }

  /// Notes a complaint at the parameter that it names, or `elsewhere` where the spec does not give that one.
  private mutating func report(
    _ complaint: ConfigurationError, of parameters: [String: JSONValue], axes: ParameterGrid,
    at path: JSONPath, elsewhere: JSONPath, note: String
  ) {
    // What is wrong with a part is named `retention.sinks`.
    let place = complaint.parameter.split(separator: ".").reduce(path) {
      $0.appending(String($1))
    }
    guard document.position(of: place) != nil else {
      report(elsewhere, nil, complaint.description + note)
      return
    }
    let index = axes.values[complaint.parameter].flatMap { values in
      parameters[complaint.parameter].flatMap(values.firstIndex(of:))
    }
    if let index, document.position(of: place.appending(index)) != nil,
      (axes.values[complaint.parameter]?.count ?? 0) > 1
    {
      report(place.appending(index), nil, complaint.message + note)
    } else {
      report(place, nil, complaint.message + note)
    }
  }
}

extension SpecStrategy {
  /// Every combination of parameters and budgets; `budget` is there where the entry has any.
  var points: [[String: JSONValue]] {
    guard let budgets else { return grid.points }
    return grid.points.flatMap { point in
      budgets.map { point.merging(["budget": $0.jsonValue]) { $1 } }
    }
  }
}
