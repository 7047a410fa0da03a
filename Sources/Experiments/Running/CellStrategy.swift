import Attention
import Kernels
import Records
import Tensors

/// A cell's strategy, ready to run: calibrated, and its budget turned into numbers of this prompt.
struct CellStrategy {
  let cell: PlannedCell
  let entry: any RegisteredStrategy
  /// All parameters, `heads` and the resolved budget included.
  let parameters: JSONValue
  let model: LoadedModel

  /// A session for one sequence, with nothing in its caches.
  func makeSession() throws -> any StrategySession {
    try entry.makeSession(
      parameters: parameters, shape: model.model.shape, workspace: model.model.workspace)
  }
}

/// Turns a budget as a spec states it into one that a strategy can work with.
///
/// Definitions: `docs/experiments.md`, "Budgets".
struct BudgetResolver {
  let shape: AttentionShape
  /// Tokens of the prompt that the budget is a part of.
  let promptTokens: Int
  /// A stored figure of the cell that is matched.
  let matchedMeasurement: (_ name: String, _ phase: MeasuredPhase?) throws -> Double?

  /// The `budget` that replaces the spec's in a strategy's parameters.
  func resolve(_ budget: JSONValue) throws -> JSONValue {
    if let fraction = budget["fraction"]?.doubleValue {
      return tokens(max(1, Int((fraction * Double(promptTokens)).rounded(.down))))
    }
    if let count = budget["tokens"]?.integerValue { return tokens(count) }
    if let bytes = budget["bytes"]?.integerValue {
      let bytesPerToken =
        shape.layers * shape.kvHeads * 2 * shape.headDimension * MemoryLayout<Float>.size
      return tokens(max(1, bytes / bytesPerToken))
    }
    if let density = budget["density"]?.doubleValue { return self.density(density) }
    if let mass = budget["mass"]?.doubleValue { return .object(["mass": .number(mass)]) }
    switch budget["of"]?.stringValue ?? "kvBytes" {
    case "density":
      return density(try matched("nominalDensity", .prefill))
    default:
      return tokens(max(1, Int(try matched("keptTokens", nil).rounded(.down))))
    }
  }

  private func tokens(_ count: Int) -> JSONValue { .object(["tokens": .integer(count)]) }

  private func density(_ value: Double) -> JSONValue {
    .object(["density": .number(value), "promptTokens": .integer(promptTokens)])
  }

  private func matched(_ name: String, _ phase: MeasuredPhase?) throws -> Double {
    guard let value = try matchedMeasurement(name, phase) else {
      throw RunError.matchedCellHasNoResult
    }
    return value
  }
}

/// Why a cell cannot be run.
enum RunError: Error, CustomStringConvertible {
  case matchedCellHasNoResult
  case matchedCellFailed(label: String, reason: String)
  case interrupted

  var description: String {
    switch self {
    case .matchedCellHasNoResult:
      "the cell whose use this budget matches has no stored result"
    case .matchedCellFailed(let label, let reason):
      "the matched cell \"\(label)\" failed: \(reason)"
    case .interrupted: "interrupted"
    }
  }
}
