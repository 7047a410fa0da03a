import Attention
import Calibration
import JSON
import Planning
import Records
import Tasks
import Tensors

/// A cell's strategy, ready to run: calibrated; its budget becomes a number of each sample's prompt.
package struct CellStrategy {
  let cell: PlannedCell
  private let configured: ConfiguredStrategy
  private let model: any RunModel
  private let meanPromptTokens: Double
  /// A measured use of what the budget of the strategy, or of a part, matches.
  private let matched: (StatedBudget.MatchedUse, StrategyPhase?) throws -> Double

  package init(
    cell: PlannedCell, _ configured: ConfiguredStrategy, model: any RunModel,
    meanPromptTokens: Double,
    matched: @escaping (StatedBudget.MatchedUse, StrategyPhase?) throws -> Double = { _, _ in
      throw RunError.matchedCellHasNoResult
    }
  ) {
    self.cell = cell
    self.configured = configured
    self.model = model
    self.meanPromptTokens = meanPromptTokens
    self.matched = matched
  }

  /// True for the cell that the others of its group are compared with.
  var isFull: Bool { cell.cell.identity == cell.fullIdentity }

  /// Calibrates where the strategy asks for it.
  static func prepare(
    _ cell: PlannedCell, model: any RunModel, samples: [TaskSample], runner: ExperimentRunner
  ) throws -> CellStrategy {
    guard let planned = runner.request.strategies[cell.cell.identity] else {
      preconditionFailure("CellStrategy: a plan without the strategy of \(cell.label)")
    }
    let lengths = samples.map { Double($0.prompt.count) }
    let stated = CellStrategy(
      cell: cell, planned, model: model, meanPromptTokens: lengths.mean ?? 0
    ) { use, part in
      guard let reference = part.map({ cell.partReferences[$0.rawValue] }) ?? cell.matchedIdentity
      else { throw RunError.matchedCellHasNoResult }
      return try runner.matchedUse(use, of: reference)
    }
    let sized = try stated.strategy(forPromptOf: samples[0].prompt.count)
    let configured = try runner.calibrate(planned, sized: sized, model: model)
    let ready = CellStrategy(
      cell: cell, configured, model: model, meanPromptTokens: stated.meanPromptTokens,
      matched: stated.matched)
    try ConfiguredStrategy(ready.strategy(forPromptOf: samples[0].prompt.count))
      .check(promptTokens: samples[0].prompt.count, shape: model.model.shape)
    return ready
  }

  /// The strategy with the budget of one prompt.
  private func strategy(forPromptOf tokens: Int) throws -> any AttentionStrategy {
    try configured.forPrompt(
      of: tokens, meanPromptTokens: meanPromptTokens, shape: model.model.shape, matched: matched)
  }

  /// A session for one sample, with nothing in its caches.
  func makeSession(for sample: TaskSample) throws -> AttentionSession {
    AttentionSession(
      try strategy(forPromptOf: sample.prompt.count), shape: model.model.shape,
      workspace: model.model.workspace, cache: configured.cache)
  }
}

/// Why a cell cannot be run.
enum RunError: Error, CustomStringConvertible {
  case matchedCellHasNoResult
  case nothingFollowsThePrompt
  case matchedCellFailed(label: String, reason: String)

  var description: String {
    switch self {
    case .matchedCellHasNoResult:
      "the cell whose use this budget matches has no stored result"
    case .nothingFollowsThePrompt:
      "nothing follows the prompt, so there is no future to read; use protocol continuation, or a task with questions"
    case .matchedCellFailed(let label, let reason):
      "the matched cell \"\(label)\" failed: \(reason)"
    }
  }
}
