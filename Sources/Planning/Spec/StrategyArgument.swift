import Attention
import JSON

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
    var reader = SpecReader(document, environment)
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
    guard strategy.grid.count == 1, (strategy.budgets?.count ?? 1) == 1 else {
      throw Self.error([
        SpecProblem(
          path: .root, position: nil,
          message:
            "has a list for a parameter; a list is an axis of a spec's grid, here one value is allowed"
        )
      ])
    }
    var members = strategy.grid.points[0]
    if let budget = strategy.budgets?.first { members["budget"] = budget.jsonValue }
    let owners =
      [(JSONValue.object(members), JSONPath.root)]
      + members.map { ($0.value, JSONPath.root.appending($0.key)) }
    for (owner, path) in owners {
      guard let budget = owner["budget"].flatMap(StatedBudget.init),
        budget.matchedName != nil || budget.isMeanOverSteps
      else { continue }
      throw Self.error([
        SpecProblem(
          path: path.appending("budget"), position: nil,
          message: budget.matchedName == nil
            ? "is a mean over the decode steps of a task, and there is none here"
            : "matches another strategy, and there is none here",
          allowed: "fraction, tokens, bytes, density or mass")
      ])
    }
    configured = try entry.configure(.object(members))
  }

  /// Places as they are in the argument: without the spec around it.
  private static func error(_ problems: [SpecProblem]) -> SpecError {
    let outer = JSONPath.root.appending("strategies").appending(0)
    return SpecError(
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
