import Attention
import Calibration
import Kernels
import Records
import Tensors

/// A cell's strategy, ready to run: calibrated, and its budget turned into numbers of this prompt.
package struct CellStrategy {
  let cell: PlannedCell
  let entry: any RegisteredStrategy
  /// All parameters, `heads` and the resolved budget included.
  let parameters: JSONValue
  let model: any RunModel

  package init(
    cell: PlannedCell, entry: any RegisteredStrategy, parameters: JSONValue, model: any RunModel
  ) {
    self.cell = cell
    self.entry = entry
    self.parameters = parameters
    self.model = model
  }

  /// True for the cell that the others of its bench are compared with.
  var isFull: Bool { cell.cell.identity == cell.fullIdentity }

  /// Calibrates where the strategy asks for it, and resolves the budget.
  ///
  /// - Parameter promptTokens: of the cell's samples; what a fraction is a part of.
  static func prepare(
    _ cell: PlannedCell, model: any RunModel, promptTokens: Int, runner: ExperimentRunner
  ) throws -> CellStrategy {
    guard let entry = StrategyRegistry.builtIn.entry(named: cell.cell.strategy) else {
      preconditionFailure("CellStrategy: a plan with the strategy \(cell.cell.strategy)")
    }
    let parameters = try entry.changing(cell.cell.strategyParameters) { entry, parameters, part in
      let reference = part.map { cell.partReferences[$0] } ?? cell.matchedIdentity
      let sized = try resolvingBudget(
        of: parameters, reference: reference, model: model, promptTokens: promptTokens,
        runner: runner)
      guard let calibrated = CalibrationRegistry.builtIn.entry(for: entry.description.name)
      else { return sized }
      return try runner.calibrate(sized, of: calibrated, model: model)
    }
    try entry.check(parameters: parameters, shape: model.model.shape)
    return CellStrategy(cell: cell, entry: entry, parameters: parameters, model: model)
  }

  /// - Parameter reference: the cell whose use the budget matches, if it matches one.
  private static func resolvingBudget(
    of parameters: JSONValue, reference: String?, model: any RunModel, promptTokens: Int,
    runner: ExperimentRunner
  ) throws -> JSONValue {
    if let reference, let reason = runner.failure(of: reference) {
      throw RunError.matchedCellFailed(label: runner.label(of: reference), reason: reason)
    }
    let resolver = BudgetResolver(
      shape: model.model.shape, promptTokens: promptTokens
    ) { name, phase in
      guard let reference else { return nil }
      return try runner.matchedMeasurement(name, phase, of: reference)
    }
    return try resolver.resolvingBudget(of: parameters)
  }

  /// A session for one sequence, with nothing in its caches.
  func makeSession() throws -> any StrategySession {
    try entry.makeSession(
      parameters: parameters, shape: model.model.shape, workspace: model.model.workspace)
  }
}

extension JSONValue {
  /// An object with one member set.
  func replacing(_ key: String, by value: JSONValue) -> JSONValue {
    .object((objectValue ?? [:]).merging([key: value]) { $1 })
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

  /// Parameters with their budget, if they have one, replaced by one that a strategy can work with.
  func resolvingBudget(of parameters: JSONValue) throws -> JSONValue {
    guard let budget = parameters["budget"], !budget.isNull else { return parameters }
    return parameters.replacing("budget", by: try resolve(budget))
  }

  /// The `budget` that replaces the spec's in a strategy's parameters.
  func resolve(_ value: JSONValue) throws -> JSONValue {
    guard let budget = SpecBudget(value) else {
      preconditionFailure("BudgetResolver: the budget \(value.shortText) of a checked spec")
    }
    switch budget {
    // Everything, whatever is decoded after the prompt.
    case .fraction(1): return Self.everything
    case .fraction(let fraction):
      // 0.29 of 100 is 29, though in binary a little less.
      let share = fraction * Double(promptTokens) * (1 + 1e-12)
      return tokens(max(1, Int(share.rounded(.down))))
    case .tokens(let count): return tokens(count)
    case .bytes(let bytes):
      let bytesPerToken =
        shape.layers * shape.kvHeads * 2 * shape.headDimension * MemoryLayout<Float>.size
      return tokens(max(1, bytes / bytesPerToken))
    case .density(let density): return self.density(density)
    case .mass(let mass): return .object(["mass": .number(mass)])
    case .matching(_, of: .kvBytes):
      let kept = try matched("keptTokens", nil)
      // A reference that dropped nothing of its prompt is no bound.
      return kept >= Double(promptTokens)
        ? Self.everything : tokens(max(1, Int(kept.rounded(.down))))
    case .matching(_, of: .density):
      return density(try matched("nominalDensity", .prefill))
    }
  }

  /// More tokens than any context has: descriptions allow sizes up to 2^30.
  static let everything = JSONValue.object(["tokens": .integer(1 << 30)])

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
  case nothingFollowsThePrompt
  case matchedCellFailed(label: String, reason: String)
  case interrupted

  var description: String {
    switch self {
    case .matchedCellHasNoResult:
      "the cell whose use this budget matches has no stored result"
    case .nothingFollowsThePrompt:
      "nothing follows the prompt, so there is no future to read; use protocol continuation, or a task with questions"
    case .matchedCellFailed(let label, let reason):
      "the matched cell \"\(label)\" failed: \(reason)"
    case .interrupted: "interrupted"
    }
  }
}
