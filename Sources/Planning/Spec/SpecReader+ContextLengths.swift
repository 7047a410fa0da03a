import JSON
import Records

/// Context lengths: the experiment's, and those to which single models and tasks limit it.
extension SpecReader {
  private static let length = ParameterKind.integer(minimum: 2, maximum: nil)

  mutating func readContextLengths(
    _ members: [String: JSONValue]
  ) -> [(value: Int, path: JSONPath)] {
    let allowed = "a list of whole numbers of tokens, each at least 2"
    guard let value = required("contextLengths", of: members, allowed: allowed) else { return [] }
    let path = JSONPath.root.appending("contextLengths")
    guard let elements = list(value, at: path, allowed: allowed) else { return [] }
    var contexts: [(value: Int, path: JSONPath)] = []
    for (index, element) in elements.enumerated() {
      if let complaint = Self.length.complaint(about: element) {
        report(path.appending(index), element, complaint, allowed: Self.length.allowedText)
      } else if let length = element.integerValue {
        contexts.append((length, path.appending(index)))
      }
    }
    return contexts
  }

  /// The lengths to which a model or a task limits its cells; nil where it doesn't. Of a list with mistakes, what is right.
  mutating func readOwnContextLengths(
    _ members: [String: JSONValue], at path: JSONPath
  ) -> Set<Int>? {
    guard let value = members["contextLengths"] else { return nil }
    let place = path.appending("contextLengths")
    let experiment = statedContextLengths
    let known = experiment.map { $0.map { "\($0)" }.joined(separator: ", ") }
    var own: Set<Int> = []
    let elements =
      list(value, at: place, allowed: "a list of some of \(known ?? "the experiment's")") ?? []
    for (index, element) in elements.enumerated() {
      if let complaint = Self.length.complaint(about: element) {
        report(
          place.appending(index), element, complaint, allowed: known ?? Self.length.allowedText)
      } else if let length = element.integerValue {
        if experiment?.contains(length) == false {
          report(
            place.appending(index), element, "is none of the experiment's contextLengths",
            allowed: known)
        } else {
          own.insert(length)
        }
      }
    }
    return own
  }

  /// The experiment's as they are written; nil where anything in the list is no whole number, for that may be the one
  /// that is meant.
  private var statedContextLengths: [Int]? {
    guard let elements = document.value["contextLengths"]?.arrayValue else { return nil }
    let lengths = elements.compactMap(\.integerValue)
    return lengths.isEmpty || lengths.count < elements.count ? nil : lengths
  }

  /// Refuses a length beyond a model that has cells of it.
  mutating func checkContexts(
    _ contexts: [(value: Int, path: JSONPath)], of spec: ExperimentSpec,
    against models: [ModelFacts]
  ) {
    for model in models {
      guard let reference = spec.models.first(where: { $0.name == model.name }) else { continue }
      let lengths = Set(spec.contextLengths(of: reference))
      for context in contexts
      where context.value > model.contextLength && lengths.contains(context.value) {
        report(
          context.path, .integer(context.value), "is beyond the context of \(model.name)",
          allowed: "at most \(model.contextLength)")
      }
    }
  }

  /// Refuses a task that has no length in common with any model, and a model that has none with any task.
  mutating func refuseEntriesWithoutCells(
    _ spec: ExperimentSpec, models: [(reference: ModelReference, path: JSONPath)]
  ) {
    // What is wrong in one of these lists may be what an entry lacks.
    let lists = ["models", "contextLengths", "tasks"].map { JSONPath.Component.key($0) }
    let isWrong = problems.contains { problem in
      problem.path.components.first.map(lists.contains) == true
    }
    guard !isWrong, !spec.contextLengths.isEmpty else { return }
    let alone = spec.tasks.filter { spec.contextLengths(of: $0).isEmpty }
    for task in alone {
      reportNoCells(
        task.contextLengths, at: task.path, others: "model",
        allowed: spec.contextLengths.filter { length in
          spec.models.contains { $0.takes(length) }
        })
    }
    // With no task left, that has been said of the tasks.
    guard alone.count < spec.tasks.count else { return }
    for model in models where spec.contextLengths(of: model.reference).isEmpty {
      reportNoCells(
        model.reference.contextLengths, at: model.path, others: "task",
        allowed: spec.contextLengths.filter { length in
          spec.tasks.contains { $0.takes(length) }
        })
    }
  }

  private mutating func reportNoCells(
    _ own: Set<Int>?, at path: JSONPath, others: String, allowed: [Int]
  ) {
    report(
      path.appending("contextLengths"),
      .array((own ?? []).sorted().map { .integer($0) }),
      "leaves no cell: no \(others) has any of these lengths",
      allowed: "a list with some of \(allowed.map { "\($0)" }.joined(separator: ", "))")
  }
}
