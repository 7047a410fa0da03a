import Attention
import Calibration
import Foundation
import JSON
import Planning
import Records
import Tasks
import Transformer

/// What a run is asked for.
public struct RunRequest: Sendable {
  public var experiment: ExperimentRecord
  /// The whole plan: `full` before the strategies that are compared with it, a matched cell after its reference.
  public var cells: [PlannedCell]
  /// What of it is to be run.
  public var groups: [CellGroup]
  /// By the identity of the cell.
  public var strategies: [String: ConfiguredStrategy]
  public var models: [ModelFacts]
  public var metrics: Set<ResultKind>
  public var warmups: Int
  public var repeats: Int
  /// Runs all cells again; what is stored stays.
  public var isFresh: Bool
  /// What relative paths of the spec are relative to.
  public var folder: URL
  /// Of the texts that the plan is made with, by their words in the spec.
  public var textDigests: [String: String]
  /// Cells that would take more are refused; nil for no limit.
  public var memoryLimit: MemoryLimit?
  /// The bytes that each of some cells will take at most, by identity, as far as they are known, where only what is
  /// missing is measured.
  public var neededBytes:
    @Sendable (_ cells: [PlannedCell], _ missing: @escaping (PlannedCell) -> Set<ResultKind>)
      -> [String: Int] = { _, _ in [:] }

  /// - Parameter groups: a shard's; all of the plan without them.
  public init(
    experiment: ExperimentRecord, plan: ExperimentPlan, groups: [CellGroup]? = nil,
    metrics: Set<ResultKind>, warmups: Int, repeats: Int, isFresh: Bool, folder: URL
  ) {
    self.experiment = experiment
    cells = plan.cells
    self.groups = groups ?? CellGroup.groups(of: plan.cells)
    strategies = plan.strategies
    models = plan.models
    textDigests = plan.textDigests
    self.metrics = metrics
    self.warmups = warmups
    self.repeats = repeats
    self.isFresh = isFresh
    self.folder = folder
  }
}

/// How a run ended.
public struct RunSummary: Sendable, Hashable {
  /// Cells with something new in the store.
  public var finished = 0
  /// Cells that had everything already.
  public var skipped = 0
  public var failed = 0
  public var isInterrupted = false
}

/// What a run tells of itself while it goes on.
public enum RunEvent {
  case skipped(PlannedCell)
  case began(String)
  case finished(PlannedCell, String)
  /// Work that is no cell's own, or comes before it, is done; with what it was, and the seconds that it took.
  case ended(String, seconds: Double)
  case failed(PlannedCell, reason: String)
  case note(String)
  /// Where it is, the share of all work that is done, in 0…1, and the seconds that the rest will take at the
  /// pace so far.
  case progress(RunStep, done: Double, remaining: Double?)
}

/// Runs the cells of an experiment that are not stored yet, and stores what it finds.
///
/// Cells of one model x context length x task share samples and a dense pass (``QualityPass``) and
/// then a timing group; each is stored in one transaction. A cell that fails is recorded with its
/// reason, and the others go on. Between two steps the run can be interrupted: what is stored
/// stays, the next run goes on from there.
public final class ExperimentRunner {
  let request: RunRequest
  let sink: any ResultSink
  let models: ModelShelf
  let isInterrupted: () -> Bool
  let report: (RunEvent) -> Void
  private(set) var summary = RunSummary()
  var progress: RunProgress
  /// The kinds that are asked of each cell: those of the spec, and what the budgets of other cells need.
  private let wanted: [String: Set<ResultKind>]
  private let labels: [String: String]
  private var stored: [String: Set<ResultKind>] = [:]
  private var failures: [String: String] = [:]
  /// Figures that budgets may match, of cells whose own pass is done and whose results are not
  /// stored yet.
  var unstored: [String: [Records.Measurement]] = [:]
  private var touched: Set<String> = []
  private var run: Int64 = 0
  private let calibrations: CalibrationStore
  private var remarks: Set<String> = []
  private let machine: MachineShare?

  /// - Parameter machine: what this process shares with others; nil for one that is alone.
  public init(
    _ request: RunRequest, models: ModelShelf, sink: any ResultSink, machine: MachineShare? = nil,
    isInterrupted: @escaping () -> Bool = { false }, report: @escaping (RunEvent) -> Void
  ) {
    self.request = request
    self.models = models
    self.sink = sink
    self.machine = machine
    self.isInterrupted = isInterrupted
    self.report = report
    wanted = PlannedCell.wantedKinds(of: request.cells, metrics: request.metrics)
    labels = Dictionary(
      request.cells.map { ($0.cell.identity, $0.label) }, uniquingKeysWith: { first, _ in first })
    progress = RunProgress()
    calibrations = CalibrationStore(sink: sink, folder: request.folder)
  }

  /// Runs to the end or to the first interruption. Throws where the store fails; what goes wrong in
  /// a cell is recorded.
  public func runAll(provenance: Provenance) throws -> RunSummary {
    let identities = request.groups.flatMap { $0.cells.map(\.cell.identity) }
    noteCalibrationOnEvaluationText()
    stored = request.isFresh ? [:] : try sink.storedKinds(of: identities)
    run = try sink.beginRun(
      of: request.experiment, cells: request.cells, provenance: provenance)
    progress = RunProgress(total: request.groups.reduce(0) { $0 + plannedWork(of: $1) })
    do {
      var waiting = request.groups
      while !waiting.isEmpty {
        let taken = try waiting.filter { try !runBench($0) }
        if taken.count == waiting.count { try pause() }
        waiting = taken
      }
      try sink.endRun(run, as: summary.failed > 0 ? .withFailures : .finished)
    } catch is RunInterruption {
      summary.isInterrupted = true
      try sink.endRun(run, as: .interrupted)
    }
    return summary
  }

  func wants(_ kind: ResultKind, of cell: PlannedCell) -> Bool {
    (wanted[cell.cell.identity] ?? request.metrics).contains(kind)
  }

  /// The kinds that a cell still lacks.
  func missing(_ cell: PlannedCell) -> Set<ResultKind> {
    (wanted[cell.cell.identity] ?? request.metrics).subtracting(stored[cell.cell.identity] ?? [])
  }

  func failure(of identity: String) -> String? { failures[identity] }

  /// Throws if a cell that budgets match has failed.
  func checkNotFailed(_ reference: String) throws {
    guard let reason = failure(of: reference) else { return }
    throw RunError.matchedCellFailed(label: label(of: reference), reason: reason)
  }

  func label(of identity: String) -> String { labels[identity] ?? identity }

  /// The use that a budget matches: as this run measured it, else the newest stored.
  func matchedUse(_ use: StatedBudget.MatchedUse, of reference: String) throws -> Double {
    try checkNotFailed(reference)
    return switch use {
    case .kvBytes: try measured(MetricCatalogue.keptTokens, "mean", of: reference)
    case .meanKvBytes:
      try measured(MetricCatalogue.globalMeanKVCacheLogicalBytes, "value", of: reference)
    case .density:
      try measured(
        MetricCatalogue.nominalDensity, "mean", .propagated, .prefill, of: reference)
    }
  }

  /// The decode steps that a cell's means are over, on average.
  func decodeSteps(of reference: String) throws -> Double {
    try measured(MetricCatalogue.decodeSteps, "mean", of: reference)
  }

  private func measured(
    _ metric: MetricDescriptor, _ statistic: String, _ setting: ErrorSetting? = nil,
    _ phase: MeasuredPhase? = nil, of reference: String
  ) throws -> Double {
    let own = unstored[reference]?.first {
      $0.name == metric.name && $0.statistic == statistic && $0.setting == setting
        && $0.phase == phase
    }
    let found =
      try own?.value ?? storedFigure(metric, statistic, setting, phase, of: reference)
    guard let found else { throw RunError.matchedCellHasNoResult }
    return found
  }

  /// The newest figure of a cell that is stored.
  func storedFigure(
    _ metric: MetricDescriptor, _ statistic: String, _ setting: ErrorSetting? = nil,
    _ phase: MeasuredPhase? = nil, of identity: String
  ) throws -> Double? {
    try storing {
      try sink.storedMeasurement(
        metric.name, statistic: statistic, setting: setting, phase: phase, of: identity)
    }
  }

  /// The strategy with the results of its offline phases.
  ///
  /// - Parameter sized: the same with a budget for a prompt.
  func calibrate(
    _ strategy: ConfiguredStrategy, sized: any AttentionStrategy, model: any RunModel
  ) throws -> ConfiguredStrategy {
    let start = ContinuousClock.now
    defer { progress.leaveOut(ContinuousClock.now - start) }
    return try strategy.calibrated(sized: sized, contextLength: model.model.contextLength) {
      calibrated, request in
      let record = try calibrations.calibration(
        request, of: calibrated, model: model, isFresh: self.request.isFresh,
        onNewPass: { report(.note($0)) }, onEnd: { report(.ended($0, seconds: $1)) },
        afterLayer: { [self] layer in
          tell(
            RunStep(
              .calibrating, of: type(of: calibrated).about.name,
              place: "layer \(layer + 1) of \(model.model.shape.layers)", group: model.name))
          try checkpoint()
        })
      try requireUnchanged(text: request.corpus)
      return record.evidence
    } remark: {
      self.remark($0)
    }
  }

  /// Throws where a text of a task is no longer the one that was planned with, after it was read.
  func requireUnchanged(textsOf cell: CellRecord) throws {
    guard let task = TaskRegistry.builtIn.description(named: cell.task),
      let values = cell.taskParameters.objectValue
    else { return }
    for name in task.textParameters {
      try TaskDescription.textWord(of: name, in: values, paths: task.textPaths)
        .map(requireUnchanged(text:))
    }
  }

  private func requireUnchanged(text word: String) throws {
    guard let planned = request.textDigests[word] else { return }
    guard try Corpus(named: word, folder: request.folder).digest == planned else {
      throw RunError.textChanged(word)
    }
  }

  /// Does work that is no cell's own, or comes before it, and tells what it took: with these lines those of a log add up to
  /// the time that a run takes.
  ///
  /// - Parameter isWorthTelling: asked afterwards; false where nothing had to be done.
  func timing<Value>(
    _ what: String, told isWorthTelling: @autoclosure () -> Bool = true,
    _ body: () throws -> Value
  ) rethrows -> Value {
    let start = ContinuousClock.now
    let value = try body()
    guard isWorthTelling() else { return value }
    report(.ended(what, seconds: (ContinuousClock.now - start).seconds))
    return value
  }

  func tell(_ step: RunStep) {
    report(.progress(step, done: progress.fraction, remaining: progress.remaining))
  }

  /// Says something that a user should know, once a run.
  func remark(_ text: String) {
    if remarks.insert(text).inserted { report(.note(text)) }
  }

  /// The passes that a bench will take; none for a model of which nothing is known.
  func work(of bench: CellGroup) -> GroupWork? {
    request.models.first { $0.digest == bench.cell.modelDigest }.map { model in
      GroupWork(
        of: bench, model: model, strategies: request.strategies, warmups: request.warmups,
        repeats: request.repeats, missing: missing)
    }
  }

  /// Before the samples are made.
  private func plannedWork(of bench: CellGroup) -> Double {
    work(of: bench)?.seconds(over: [bench.expectedLength], count: bench.sampleCount) ?? 0
  }

  /// A calibration on the very text that is evaluated flatters its strategy.
  private func noteCalibrationOnEvaluationText() {
    var compared: Set<[String]> = []
    for cell in request.groups.flatMap(\.cells) {
      for strategy in request.strategies[cell.cell.identity]?.withParts ?? [] {
        guard
          let evaluation = cell.cell.taskParameters["corpus"]?.stringValue,
          let calibration = strategy.offlinePhase?.calibrationText?.corpus,
          // Texts are read once a pair, not once a cell.
          compared.insert([strategy.name, calibration, cell.cell.task, evaluation]).inserted,
          let first = try? Corpus(named: calibration, folder: request.folder),
          let second = try? Corpus(named: evaluation, folder: request.folder),
          first.digest == second.digest
        else { continue }
        remark(
          "warning: \(strategy.name) is calibrated on \"\(calibration)\", the text that \(cell.cell.task) evaluates; its figures are flattered"
        )
      }
    }
  }

  // MARK: One bench

  /// False where another process is at work on cells of the bench: nothing has been done then.
  private func runBench(_ bench: CellGroup) throws -> Bool {
    if !request.isFresh, bench.cells.contains(where: { !missing($0).isEmpty }) {
      let identities = bench.cells.map(\.cell.identity)
      if let holder = try sink.claim(identities, run: run) {
        remark(
          "\(bench.title): \(holder.process) is at it (run \(holder.run) of \"\(holder.experiment)\"); left until it is free"
        )
        return false
      }
      // Another run may have stored cells meanwhile.
      for (identity, kinds) in try sink.storedKinds(of: identities) {
        stored[identity, default: []].formUnion(kinds)
      }
    }
    try reopenWithoutMeans(bench)
    let open = bench.cells.filter { !missing($0).isEmpty }
    for cell in bench.cells where missing(cell).isEmpty {
      summary.skipped += 1
      report(.skipped(cell))
    }
    guard !open.isEmpty else { return true }
    try refuseWhatDoesNotFit(open)
    guard open.contains(where: { failure(of: $0.cell.identity) == nil }) else { return true }
    progress.beginGroup(work: plannedWork(of: bench))
    defer { unstored.removeAll() }
    try machine?.take(.beside, goesOnWaiting: waitForTimes)
    defer { machine?.leave() }
    // Without its model, its text or the dense pass nothing of a bench can run.
    _ = try attempt(failing: open.filter { !missing($0).isEmpty }) {
      let prepared = try RunningGroup(bench, runner: self)
      try prepared.runQuality()
      try prepared.runTiming()
    }
    return true
  }

  /// Nothing is left but what other processes are at.
  private func pause() throws {
    for _ in 0..<10 {
      try checkpoint()
      Thread.sleep(forTimeInterval: 0.05)
    }
  }

  /// Before anything is loaded: the system kills whatever asks for more memory than there is.
  private func refuseWhatDoesNotFit(_ cells: [PlannedCell]) throws {
    guard let limit = request.memoryLimit else { return }
    let needed = request.neededBytes(cells, missing)
    for cell in cells {
      guard let bytes = needed[cell.cell.identity], bytes > limit.bytes else { continue }
      try fail(cell, RunError.needsMoreMemory(bytes: bytes, limit: limit))
    }
  }

  /// Memory counts as missing where it was stored before means over decode steps were, and an open cell's
  /// budget needs one.
  private func reopenWithoutMeans(_ bench: CellGroup) throws {
    for reference in Set(bench.cells.filter { !missing($0).isEmpty }.flatMap(\.meansNeeded))
    where stored[reference]?.contains(.memory) == true {
      let mean = try storedFigure(
        MetricCatalogue.globalMeanKVCacheLogicalBytes, "value", of: reference)
      if mean == nil { stored[reference]?.remove(.memory) }
    }
  }

  // MARK: What benches report

  func checkpoint() throws {
    try throwIfInterrupted()
    try machine?.letOthersPass(goesOnWaiting: waitForTimes)
  }

  private func throwIfInterrupted() throws {
    if isInterrupted() { throw RunInterruption() }
  }

  private func waitForTimes(_ waited: Duration) throws -> Bool {
    try throwIfInterrupted()
    if waited > .seconds(5) {
      remark("waiting: another tca-lab process of yours takes times, and has the machine to itself")
    }
    return true
  }

  /// Has the machine to itself, as far as it is shared with processes of this program.
  func alone<Value>(_ body: () throws -> Value) throws -> Value {
    try machine?.take(.alone) { waited in
      try throwIfInterrupted()
      guard waited < .seconds(60) else {
        remark(
          "warning: another tca-lab process of yours does not let go of the machine; times are taken beside it"
        )
        return false
      }
      return true
    }
    defer { machine?.leave() }
    return try body()
  }

  func store(_ results: CellResults, of cell: PlannedCell, seconds: Double) throws {
    if let wrong = results.measurements.first(where: { $0.value?.isNaN == true }) {
      throw RunError.notANumber(name: wrong.name)
    }
    try storing { try sink.store(results, run: run) }
    finish(cell, results.kinds)
    report(.finished(cell, String(format: "%.1f s", seconds)))
  }

  func store(_ group: TimingGroup, cells: [PlannedCell]) throws {
    try storing { try sink.store(group, run: run) }
    for cell in cells where missing(cell).contains(.latency) { finish(cell, [.latency]) }
  }

  func fail(_ cell: PlannedCell, _ error: any Error) throws {
    guard failures[cell.cell.identity] == nil else { return }
    let reason = "\(error)"
    failures[cell.cell.identity] = reason
    summary.failed += 1
    try storing {
      try sink.storeFailure(
        of: cell.cell.identity, kinds: missing(cell), reason: reason, run: run)
    }
    report(.failed(cell, reason: reason))
  }

  /// Marks what the store threw, so that it is not taken for a cell's failure.
  func storing<Value>(_ body: () throws -> Value) throws -> Value {
    try SinkError.wrapping(body)
  }

  private func finish(_ cell: PlannedCell, _ kinds: Set<ResultKind>) {
    stored[cell.cell.identity, default: []].formUnion(kinds)
    if touched.insert(cell.cell.identity).inserted { summary.finished += 1 }
  }
}
