import Attention
import JSON
import Records

/// Walks a spec, takes what is right, and notes everything that is wrong.
struct SpecReader {
  let document: JSONDocument
  let environment: SpecEnvironment
  private(set) var problems: [SpecProblem] = []
  private var seen: Set<SpecProblem> = []
  /// Digests of the texts named so far; a text that cannot be read is nil.
  var textDigests: [String: String?] = [:]

  static let keys = [
    "schemaVersion", "name", "question", "models", "contextLengths", "strategies", "tasks",
    "primary", "cache", "metrics", "warmups", "repeats", "seed", "threads",
  ]
  /// More cells than this are a slip of the pen, and would fill the memory.
  static let maximumCells = 100_000

  init(_ document: JSONDocument, _ environment: SpecEnvironment) {
    self.document = document
    self.environment = environment
  }

  /// The spec, nil where it is too broken to tell; of use only if `problems` is empty.
  mutating func read() -> CheckedSpec? {
    let root = JSONPath.root
    guard let members = object(document.value, at: root, what: "a spec: an object") else {
      return nil
    }
    // Editors find the schema by this key.
    refuseUnknownKeys(
      of: members, at: root, known: Self.keys, alsoKnown: ["$schema"], owner: "a spec")
    readSchemaVersion(members)
    let name = readName(members)
    let question = string(
      "question", of: members, at: root, default: "", allowed: "a text")
    let models = readModels(members)
    let contexts = readContextLengths(members)
    let strategies = readStrategies(members)
    let tasks = readTasks(members)
    checkInputs(of: tasks, models: models)
    let metrics = measurable(readMetrics(members), of: models, given: members["metrics"])
    let spec = ExperimentSpec(
      name: name ?? "", question: question ?? "", models: models.map(\.reference),
      contextLengths: contexts.map(\.value), strategies: strategies, tasks: tasks,
      metrics: metrics, warmups: integer("warmups", of: members, 0...1000, default: 1),
      repeats: integer("repeats", of: members, 1...1000, default: 8),
      seed: integer("seed", of: members, Int.min...Int.max, default: 0),
      threads: integer("threads", of: members, 1...1024, default: environment.cores))
    let facts = readFacts(of: models)
    refuseEntriesWithoutCells(spec, models: models)
    checkContexts(contexts, of: spec, against: facts)
    if gridFits(spec) {
      refuseRepeatedEntries(spec)
      refuseOraclesWithoutFuture(spec)
      checkPrimary(members, of: strategies, measuring: metrics)
      checkConfigurations(spec, models: facts, contexts: contexts)
    }
    return CheckedSpec(
      spec: spec, models: facts, textDigests: textDigests.compactMapValues { $0 })
  }

  // MARK: Single values

  private mutating func readSchemaVersion(_ members: [String: JSONValue]) {
    guard let value = required("schemaVersion", of: members, allowed: "1") else { return }
    if value != .integer(ExperimentSpec.schemaVersion) {
      report(
        .root.appending("schemaVersion"), value, "is no version that this program reads",
        allowed: "1")
    }
  }

  private mutating func readName(_ members: [String: JSONValue]) -> String? {
    let allowed =
      "a text of 1 to 100 characters that can name a folder: no \"/\", \"\\\" or control characters, no \".\" or \"-\" first, no blank at an end"
    guard let value = required("name", of: members, allowed: allowed) else { return nil }
    let path = JSONPath.root.appending("name")
    guard let name = value.stringValue else {
      report(path, value, "is \(value.kindName)", allowed: allowed)
      return nil
    }
    let canNameFolder =
      1...100 ~= name.count && name.utf8.count <= 200 && !name.hasPrefix(".")
      && !name.hasPrefix("-") && name.first?.isWhitespace == false
      && name.last?.isWhitespace == false
      && name.unicodeScalars.allSatisfy {
        $0 != "/" && $0 != "\\" && $0.properties.generalCategory != .control
      }
    if !canNameFolder { report(path, value, "cannot name an experiment", allowed: allowed) }
    // `results/` holds the reports' folders and the database, with the files that SQLite puts beside it.
    if name.lowercased().contains(/\.sqlite(-wal|-shm|-journal)?$/) {
      report(
        path, value, "is the name of a database, which stands where the report's folder would",
        allowed: "a name that does not end in .sqlite")
    }
    return name
  }

  private mutating func readMetrics(_ members: [String: JSONValue]) -> Set<ResultKind> {
    let known = ResultKind.allCases.map(\.rawValue)
    let allowed = "a list of some of \(known.joined(separator: ", "))"
    guard let value = members["metrics"] else { return Set(ResultKind.allCases) }
    let path = JSONPath.root.appending("metrics")
    guard let elements = list(value, at: path, allowed: allowed) else { return [] }
    var kinds: Set<ResultKind> = []
    for (index, element) in elements.enumerated() {
      guard let word = element.stringValue, let kind = ResultKind(rawValue: word) else {
        report(
          path.appending(index), element, "is no kind of metric",
          allowed: known.joined(separator: ", "), among: known)
        continue
      }
      kinds.insert(kind)
    }
    return kinds
  }

  // MARK: Problems

  /// In the order of the text.
  var sortedProblems: [SpecProblem] {
    let start = JSONPosition(line: 0, column: 0)
    return problems.enumerated().sorted { left, right in
      (left.element.position ?? start, left.offset) < (
        right.element.position ?? start, right.offset
      )
    }.map(\.element)
  }

  /// Notes a problem once, up to `SpecError.most` problems. `among` are the words of which the nearest to `value` is suggested.
  mutating func report(
    _ path: JSONPath, _ value: JSONValue?, _ message: String, allowed: String? = nil,
    among known: [String] = []
  ) {
    guard problems.count < SpecError.most else { return }
    var suggestion: String?
    if let word = value?.stringValue, !known.contains(word) {
      suggestion = NearestWord.to(word, among: known)
    }
    // A place that the file does not have (a default) is reported at the place that holds it.
    var place = path
    while document.position(of: place) == nil, let parent = place.parent { place = parent }
    let problem = SpecProblem(
      path: path, position: document.position(of: place), value: value.map { shown($0, at: path) },
      message: message, allowed: allowed, suggestion: suggestion)
    if seen.insert(problem).inserted { problems.append(problem) }
  }

  /// How messages show a value between quotes: a string bare, a number as the spec writes it, anything else as JSON.
  private func shown(_ value: JSONValue, at path: JSONPath) -> String {
    if case .number(let number) = value, let text = document.numberText(at: path),
      text.utf8.count <= 60, Double(text) == number
    {
      return text
    }
    return value.stringValue == nil
      ? value.shortText : String(value.shortText.dropFirst().dropLast())
  }
}
