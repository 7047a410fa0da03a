import Attention
import JSON
import Planning
import Records
import Reports

/// Strategies as a person or a program reads them.
enum StrategyListing {
  /// Throws a failure that suggests the nearest name.
  static func entry(named name: String) throws -> StrategyEntry {
    if let entry = StrategyRegistry.builtIn.entry(named: name) { return entry }
    let names = StrategyRegistry.builtIn.descriptions.map(\.name)
    let suggestion = NearestWord.to(name, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
    throw Failure(
      .usage,
      "\"\(name)\" is no strategy; there are \(names.joined(separator: ", "))\(suggestion)")
  }

  static func json(_ description: StrategyDescription) throws -> JSONValue {
    var members = try JSONValue(encoding: description).objectValue ?? [:]
    members["parameters"] = .array(
      description.parameters.map { parameter in
        .object([
          "name": .string(parameter.name), "summary": .string(parameter.summary),
          "allowed": .string(parameter.kind.allowedText), "default": parameter.defaultValue,
          "isList": .boolean(parameter.kind.isList),
        ])
      })
    return .object(members)
  }

  /// The choices, a line each below a title, and a blank line; nothing where there are none.
  private static func choices(of description: StrategyDescription) -> String {
    guard !description.choices.isEmpty else { return "" }
    return
      (["choices made where the source is silent or was not at hand"]
      + description.choices.map { "- \($0)" }).map { "\($0)\n" }.joined()
  }

  static func text(_ description: StrategyDescription) -> String {
    let rows = description.parameters.map { parameter in
      [
        parameter.name, parameter.kind.allowedText,
        parameter.defaultValue.isNull ? "worked out" : parameter.defaultValue.canonicalText,
        parameter.summary,
      ]
    }
    func words(_ values: [String]) -> String {
      values.isEmpty ? "none" : values.joined(separator: ", ")
    }
    return """
      \(description.name): \(description.summary)

      acts in          \(words(description.phases.map(\.rawValue)))
      budgets          \(words(description.budgets.map(\.rawValue)))
      looks ahead      \(description.selectionLooksAhead ? "yes: later prompt tokens choose what earlier queries see" : "no")
      reads the future \(description.readsFuture ? "yes: an oracle, told what follows the prompt" : "no")
      fidelity         \(description.fidelity.rawValue)
      source           \(description.source)
      \(choices(of: description))
      \(rows.isEmpty ? "no parameters" : TextTable(header: ["parameter", "allowed", "default", "what"], rows: rows).text)
      """
  }
}
