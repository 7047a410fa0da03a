import Attention
import JSON
import Records

/// A single strategy as a command line gives it: JSON text like an object of a spec's `strategies`, every parameter a
/// single value; or the bare name of a strategy with its defaults.
public struct StrategyArgument {
  public let configured: ConfiguredStrategy

  /// Throws `SpecError` with all that is wrong.
  public init(parsing text: String, in environment: SpecEnvironment) throws {
    // Read as the only strategy of a spec, so that the same rules and messages hold.
    let before = "{\"strategies\": [\n"
    // A bare word can be nothing else, and is told what names there are.
    let isName =
      text.unicodeScalars.first?.properties.isAlphabetic == true
      && text.unicodeScalars.allSatisfy {
        $0.properties.isAlphabetic || $0.properties.numericType != nil || $0 == "-"
      }
    let document: JSONDocument
    do {
      // Alone first: what is wrong with it must not hide in the text around it.
      if !isName { _ = try JSONDocument(parsing: text) }
      document = try JSONDocument(
        parsing: before + (isName ? "{\"name\": \"\(text)\"}" : text) + "\n]}")
    } catch {
      throw Self.error([
        SpecProblem(path: error.path, position: error.position, message: error.message)
      ])
    }
    let environment = Self.alone(environment)
    var reader = SpecReader(document, environment)
    let given = document.value["strategies"]?[0] ?? .null
    // Before the reader takes these for forms that nobody knows.
    for (owner, path) in Self.owners(given) {
      guard let budget = owner["budget"],
        let own = environment.strategies.first(where: { $0.name == owner["name"]?.stringValue })?
          .budgets,
        !own.isEmpty,
        let complaint = (budget.arrayValue ?? [budget]).compactMap(Self.complaint).first
      else { continue }
      reader.report(
        path.appending("budget"), budget, complaint,
        allowed: own.map(\.rawValue).joined(separator: ", "))
    }
    guard reader.problems.isEmpty else { throw Self.error(reader.sortedProblems) }
    let strategies = reader.readStrategies(document.value.objectValue ?? [:])
      .filter { $0.path != nil }
    guard reader.problems.isEmpty, let strategy = strategies.first, strategies.count == 1,
      let entry = StrategyRegistry.builtIn.entry(named: strategy.name)
    else {
      throw Self.error(
        reader.problems.isEmpty
          ? [
            SpecProblem(
              path: .root, position: nil,
              message: "holds \(strategies.count) strategies; one is allowed")
          ] : reader.sortedProblems)
    }
    for (name, values) in strategy.grid.values.merging(
      ["budget": strategy.budgets?.map(\.jsonValue) ?? []], uniquingKeysWith: { own, _ in own })
    where values.count > 1 {
      let (path, value) = Self.axis(
        of: values, Self.outer.appending(name), given[name] ?? .null)
      reader.report(
        path, value, "is a list: an axis of a spec's grid, and this is a single strategy",
        allowed: "one value of it")
    }
    guard reader.problems.isEmpty else { throw Self.error(reader.sortedProblems) }
    var members = strategy.grid.points[0]
    if let budget = strategy.budgets?.first { members["budget"] = budget.jsonValue }
    configured = try entry.configure(.object(members))
  }

  /// Where the strategy stands in the spec around it.
  private static let outer = JSONPath.root.appending("strategies").appending(0)

  /// Without the budgets that a strategy alone cannot have, so that no message offers them.
  private static func alone(_ environment: SpecEnvironment) -> SpecEnvironment {
    var environment = environment
    for index in environment.strategies.indices {
      environment.strategies[index].budgets.removeAll { $0 == .matching || $0 == .meanKvBytes }
    }
    return environment
  }

  /// Why a strategy alone cannot have a budget of this form; nil where it can.
  private static func complaint(about budget: JSONValue) -> String? {
    if budget[BudgetForm.matching.rawValue] != nil {
      return "matches another strategy, and there is none here"
    }
    return budget[BudgetForm.meanKvBytes.rawValue] == nil
      ? nil : "is a mean over the decode steps of a task, and there is none here"
  }

  /// What may have a budget: the strategy and its parts.
  private static func owners(_ strategy: JSONValue) -> [(JSONValue, JSONPath)] {
    [(strategy, outer)] + (strategy.objectValue ?? [:]).map { ($0.value, outer.appending($0.key)) }
  }

  /// The list that several values come from, in what was given: of a part's parameter where the parts differ in that.
  private static func axis(
    of values: [JSONValue], _ path: JSONPath, _ given: JSONValue
  ) -> (JSONPath, JSONValue) {
    guard let members = given.objectValue,
      let key = members.keys.sorted().first(where: { key in Set(values.map { $0[key] }).count > 1 }
      ),
      let member = members[key]
    else { return (path, given) }
    return axis(of: values.map { $0[key] ?? .null }, path.appending(key), member)
  }

  /// Places as they are in the argument: without the spec around it.
  private static func error(_ problems: [SpecProblem]) -> SpecError {
    SpecError(
      source: "--strategy",
      problems: problems.map { problem in
        var problem = problem
        problem.path = problem.path.removing(prefix: outer)
        problem.position = problem.position.map {
          JSONPosition(line: max(1, $0.line - 1), column: $0.column)
        }
        return problem
      })
  }
}

extension JSONPath {
  /// The rest of a path that begins with `prefix`; the path itself if it does not.
  fileprivate func removing(prefix: JSONPath) -> JSONPath {
    components.starts(with: prefix.components)
      ? JSONPath(Array(components.dropFirst(prefix.components.count))) : self
  }
}
