import JSON
import Records
import Synthesis

/// Models that are attention inputs, and which tasks and metrics go with them.
extension SpecReader {
  private static let allowedSynthetic =
    "{\"queryHeads\": …, \"kvHeads\": …, \"headDimension\": …} with layers and pattern"

  mutating func readSynthetic(_ value: JSONValue, at path: JSONPath) -> SyntheticGeometry? {
    guard let members = object(value, at: path, what: Self.allowedSynthetic) else { return nil }
    let problemCount = problems.count
    refuseUnknownKeys(
      of: members, at: path, known: SyntheticGeometry.sizes.map(\.name) + ["pattern"],
      owner: "synthetic")
    var sizes: [String: Int] = [:]
    for size in SyntheticGeometry.sizes {
      let given =
        size.defaultValue == nil
        ? required(size.name, of: members, at: path, allowed: size.kind.allowedText)
        : members[size.name]
      if let given, let complaint = size.kind.complaint(about: given) {
        report(
          path.appending(size.name), given, complaint, allowed: size.kind.allowedText)
      }
      sizes[size.name] = given?.integerValue ?? size.defaultValue
    }
    let pattern = members["pattern"].flatMap { readPattern($0, at: path.appending("pattern")) }
    guard problems.count == problemCount, let queryHeads = sizes["queryHeads"],
      let kvHeads = sizes["kvHeads"], let headDimension = sizes["headDimension"],
      let layers = sizes["layers"]
    else { return nil }
    guard queryHeads % kvHeads == 0 else {
      report(
        path.appending("queryHeads"), .integer(queryHeads),
        "is no multiple of kvHeads \(kvHeads): each KV head serves as many query heads")
      return nil
    }
    return SyntheticGeometry(
      layers: layers, queryHeads: queryHeads, kvHeads: kvHeads, headDimension: headDimension,
      pattern: pattern ?? SyntheticPattern())
  }

  private mutating func readPattern(
    _ value: JSONValue, at path: JSONPath
  ) -> SyntheticPattern? {
    let known = SyntheticPattern.parameters.map(\.name)
    guard
      let members = object(value, at: path, what: "an object with \(known.joined(separator: ", "))")
    else { return nil }
    refuseUnknownKeys(of: members, at: path, known: known, owner: "pattern")
    var values: [String: JSONValue] = [:]
    for parameter in SyntheticPattern.parameters {
      values[parameter.name] = parameter.defaultValue
      guard let given = members[parameter.name] else { continue }
      if let complaint = parameter.kind.complaint(about: given) {
        report(
          path.appending(parameter.name), given, complaint, allowed: parameter.kind.allowedText)
      } else {
        values[parameter.name] = given
      }
    }
    return try? JSONValue.object(values).decode()
  }

  /// Refuses a task whose models take something else.
  mutating func checkInputs(
    of tasks: [SpecTask], models: [(reference: ModelReference, path: JSONPath)]
  ) {
    for task in tasks {
      let wrong = models.filter {
        ($0.reference.synthetic == nil) != (task.description.input == .text)
      }
      guard let model = wrong.first?.reference else { continue }
      let others = environment.tasks.filter { $0.input != task.description.input }.map(\.name)
      report(
        task.path.appending("name"), .string(task.name),
        task.description.input == .text
          ? "needs a model that reads text; \"\(model.name)\" is synthetic: attention inputs without a model"
          : "needs synthetic models; \"\(model.name)\" is a model that reads text",
        allowed: others.isEmpty ? nil : "\(others.joined(separator: ", ")) for this model")
    }
  }

  /// Without quality where no model has any; it is refused where the spec asks for it.
  mutating func measurable(
    _ metrics: Set<ResultKind>, of models: [(reference: ModelReference, path: JSONPath)],
    given: JSONValue?
  ) -> Set<ResultKind> {
    guard !models.isEmpty, models.allSatisfy({ $0.reference.synthetic != nil }) else {
      return metrics
    }
    let word = JSONValue.string(ResultKind.quality.rawValue)
    if let index = given?.arrayValue?.firstIndex(of: word) {
      report(
        .root.appending("metrics").appending(index), word,
        "does not exist for synthetic models, which predict nothing",
        allowed: ResultKind.allCases.filter { $0 != .quality }.map(\.rawValue)
          .joined(separator: ", "))
    }
    return metrics.subtracting([.quality])
  }
}
