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

  /// What its budget, or that of a part, asks the caches to hold on average, and what was found for it.
  private(set) var mean: (budget: MeanBudget, solution: MeanBudget.Solution)?

  /// Calibrates where the strategy asks for it, and finds the budget where it is a mean over decode steps.
  static func prepare(
    _ cell: PlannedCell, model: any RunModel, samples: [TaskSample], runner: ExperimentRunner
  ) throws -> CellStrategy {
    guard let planned = runner.request.strategies[cell.cell.identity] else {
      preconditionFailure("CellStrategy: a plan without the strategy of \(cell.label)")
    }
    let lengths = samples.map { Double($0.prompt.count) }
    var stated = CellStrategy(
      cell: cell, planned, model: model, meanPromptTokens: lengths.mean ?? 0
    ) { use, part in try runner.matchedUse(use, of: cell.reference(of: part)) }
    var isSearched = false
    if let (budget, budgeted) = try stated.meanBudget(of: samples, runner: runner) {
      let solved = budget.solved(for: budgeted)
      isSearched = solved == nil
      stated.mean = (budget, solved ?? budget.firstGuess)
    }
    let sized = try stated.strategy(forPromptOf: samples[0].prompt.count)
    let calibrated = try runner.calibrate(planned, sized: sized, model: model)
    let configured = try levelled(calibrated, stated, samples, model: model, runner: runner)
    var ready = CellStrategy(
      cell: cell, configured, model: model, meanPromptTokens: stated.meanPromptTokens,
      matched: stated.matched)
    ready.mean = stated.mean
    try ConfiguredStrategy(ready.strategy(forPromptOf: samples[0].prompt.count))
      .check(promptTokens: samples[0].prompt.count, shape: model.model.shape)
    if isSearched {
      try runner.timing("budget of \(cell.label)") {
        try ready.searchBudget(samples, runner: runner)
      }
    }
    return ready
  }

  /// With the level at which the first two samples have the density that the mean over layers is to hold.
  private static func levelled(
    _ calibrated: ConfiguredStrategy, _ stated: CellStrategy, _ samples: [TaskSample],
    model: any RunModel, runner: ExperimentRunner
  ) throws -> ConfiguredStrategy {
    var sized = CellStrategy(
      cell: stated.cell, calibrated, model: model, meanPromptTokens: stated.meanPromptTokens,
      matched: stated.matched)
    sized.mean = stated.mean
    let prompts = samples.prefix(2).map(\.prompt)
    var passes = 0
    return try runner.timing("density of \(stated.cell.label)", told: passes > 0) {
      try calibrated.levelled(
        sized: sized.strategy(forPromptOf: prompts[0].count), shape: model.model.shape,
        workspace: model.model.workspace, prompts: prompts.map(\.count)
      ) { index, attention in
        passes += 1
        try runner.checkpoint()
        let prompt = prompts[index]
        _ = try model.model.forward(
          prompt, firstPosition: 0, phase: .prefill, attention: attention,
          keeping: prompt.count - 1..<prompt.count, afterLayer: { _ in try runner.checkpoint() })
      }
    }
  }

  /// The mean that a budget asks for, and whose budget it is: the strategy's or a part's.
  private func meanBudget(
    of samples: [TaskSample], runner: ExperimentRunner
  ) throws -> (MeanBudget, any Budgeted)? {
    let parts = (configured.strategy as? any HasParts)?.parts ?? []
    let owners =
      [(configured, StrategyPhase?.none)] + parts.map { ($0.configured, Optional($0.phase)) }
    for (owner, part) in owners {
      guard let budget = owner.budget, budget.isMeanOverSteps,
        let budgeted = owner.strategy as? any Budgeted
      else { continue }
      return (try target(of: budget, part, samples, runner: runner), budgeted)
    }
    return nil
  }

  private func target(
    of budget: StatedBudget, _ part: StrategyPhase?, _ samples: [TaskSample],
    runner: ExperimentRunner
  ) throws -> MeanBudget {
    var lengths = samples.map(\.lengths)
    let shape = model.model.shape.global
    func budgetOf(_ target: Double, _ cache: CacheFormat) -> MeanBudget {
      MeanBudget(
        target: target, samples: lengths, headDimension: shape.headDimension,
        bytesPerToken: Double(shape.tokenBytes(in: cache)),
        bytesChangeWithAge: cache.bytesChangeWithAge,
        meanBytes: Double(
          shape.layers * shape.kvHeads * cache.meanBytes(headDimension: shape.headDimension)))
    }
    if case .meanKvBytes(let share) = budget {
      return budgetOf(share * budgetOf(0, .f16).everything, configured.cache)
    }
    let reference = try cell.reference(of: part)
    if samples.contains(where: { $0.greedyTokens > 0 }) {
      // An answer may end at any token; the reference's own are what its mean is over.
      let known = samples.map { Double($0.lateTokenCount) }.mean ?? 0
      // A stored figure: as absurd as whoever wrote the file wanted.
      let answered = min(max(0, try runner.decodeSteps(of: reference) - known), 1e9)
      for (index, sample) in samples.enumerated() {
        lengths[index].steps = sample.lateTokenCount + Int(answered.rounded())
      }
    }
    return budgetOf(try matched(.meanKvBytes, part), configured.cache)
  }

  /// Finds the budget by passes over the first two samples.
  private mutating func searchBudget(_ samples: [TaskSample], runner: ExperimentRunner) throws {
    guard let whole = mean?.budget else { return }
    let first = Array(samples.prefix(2))
    var part = whole
    part.samples = Array(whole.samples.prefix(2))
    // The first samples may be shorter or longer than the others.
    part.target = whole.target * part.everything / whole.everything
    let solution = try part.searched { tokens in
      mean = (whole, MeanBudget.Solution(tokens: tokens))
      var memory = MemoryFigures(shape: model.model.shape)
      for sample in first {
        let session = try makeSession(for: sample)
        let pass = SamplePass(model: model.model, sample: sample, checkpoint: runner.checkpoint)
        _ = try pass.run(attention: PiecewiseAttention(session)) { memory.afterPrefill(session) }
        memory.atEnd(session)
      }
      return memory.meanLogicalBytes ?? 0
    }
    mean = (whole, solution)
  }

  /// How the bytes that the cell held on average stand to what its budget asks for; none where it asks for
  /// no mean.
  func matchFigures(_ memory: MemoryFigures) -> [Records.Measurement] {
    guard let mean, let held = memory.meanLogicalBytes else { return [] }
    var budget = mean.budget
    if case .meanKvBytes(let share)? = statedMean {
      // A share of what full attention holds over the very steps that were taken.
      budget.samples = zip(budget.samples, memory.decodeSteps).map {
        MeanBudget.Lengths(prompt: $0.prompt, steps: $1)
      }
      var full = budget
      full.bytesPerToken = Double(model.model.shape.global.tokenBytes(in: .f16))
      full.meanBytes = 0
      budget.target = share * full.everything
    }
    let status =
      mean.solution.limit ?? (budget.isWithinTolerance(held) ? .matched : .missed)
    var figures = [
      MetricCatalogue.matchStatus.measurement("value", value: status.code),
      MetricCatalogue.matchedKVCacheBytes.measurement("value", value: budget.target),
    ]
    if let least = mean.solution.least {
      figures.append(MetricCatalogue.matchedKVCacheBytes.measurement("least", value: least))
    }
    return figures
  }

  private var statedMean: StatedBudget? {
    configured.withParts.compactMap(\.budget).first(where: \.isMeanOverSteps)
  }

  /// The strategy with the budget of one prompt.
  private func strategy(forPromptOf tokens: Int) throws -> any AttentionStrategy {
    try configured.forPrompt(
      of: tokens, meanPromptTokens: meanPromptTokens, shape: model.model.shape
    ) { use, part in
      if use == .meanKvBytes, let mean { return mean.solution.tokens }
      return try matched(use, part)
    }
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
  case needsMoreMemory(bytes: Int, limit: MemoryLimit)
  case notANumber(name: String)
  case textChanged(String)

  var description: String {
    switch self {
    case .matchedCellHasNoResult:
      "the cell whose use this budget matches has no stored result"
    case .nothingFollowsThePrompt:
      "nothing follows the prompt, so there is no future to read; use protocol continuation, or a task with questions"
    case .matchedCellFailed(let label, let reason):
      "the matched cell \"\(label)\" failed: \(reason)"
    case .needsMoreMemory(let bytes, let limit):
      "needs about \(MemoryLimit.text(bytes)), more than the \(limit); use a shorter context or a smaller model, or allow more with --memory-limit"
    case .notANumber(let name):
      "\(name) came out as \"nan\", which is no figure: it was computed wrongly; nothing of the cell is stored"
    case .textChanged(let word):
      "the text \"\(word)\" is not the one that the run was planned with: it was written to since; leave it alone and run again"
    }
  }
}

extension PlannedCell {
  /// The identity of the cell that its budget, or that of a part, matches.
  fileprivate func reference(of part: StrategyPhase?) throws -> String {
    guard let reference = part.map({ partReferences[$0.rawValue] }) ?? matchedIdentity else {
      throw RunError.matchedCellHasNoResult
    }
    return reference
  }
}
