import Attention
import Kernels
import Planning
import Records
import Tasks
import Tensors
import Threads
import Transformer

/// A bench with its model loaded and its samples made, at work.
final class RunningGroup {
  private let bench: CellGroup
  private unowned let runner: ExperimentRunner
  private let model: any RunModel
  private let task: any ExperimentTask
  private let samples: [TaskSample]
  private let makeFull: () -> AttentionSession
  private let futures: FutureShelf
  private let work: GroupWork?
  private let totalWork: Double
  private var strategies: [String: CellStrategy] = [:]
  private var watched: WatchedPass
  /// Whether full attention cannot do the task, so that no other cell is run.
  private var isFullAlone = false
  private static let densePass = "dense pass"

  /// Throws what is wrong with the model, the task or its text: then no cell of the bench can run.
  init(_ bench: CellGroup, runner: ExperimentRunner) throws {
    self.bench = bench
    self.runner = runner
    let cell = bench.cell
    runner.report(.began(bench.title))
    watched = WatchedPass(step: RunStep(.loading, group: bench.title))
    runner.report(
      .progress(
        watched.step, done: runner.progress.fraction,
        remaining: runner.progress.remaining))
    model = try runner.models.model(named: cell.model, contextLength: cell.contextLength)
    let (all, global) = (model.model.shape.layers, model.model.shape.globalLayers.count)
    if global < all {
      runner.remark(
        "strategies act on \(global) of \(all) layers of \(cell.model); the others attend within a window of their own"
      )
    }
    task = try TaskRegistry.builtIn.task(
      named: cell.task, parameters: cell.taskParameters, folder: runner.request.folder)
    samples = try model.samples(
      of: task, contextLength: cell.contextLength, seed: cell.seed)
    work = runner.work(of: bench)
    totalWork = work?.seconds(over: samples.map(\.length)) ?? 0
    let decoder = model.model
    let cache = runner.request.strategies[bench.cells[0].fullIdentity]?.cache ?? .f16
    makeFull = {
      AttentionSession(
        FullAttention(), shape: decoder.shape, workspace: decoder.workspace, cache: cache)
    }
    futures = FutureShelf(
      model: decoder, samples: samples, makeFull: makeFull, checkpoint: runner.checkpoint)
  }

  // MARK: Quality

  private static let qualityKinds: Set<ResultKind> = [.approximation, .quality, .memory]

  private func kinds(of cell: PlannedCell) -> Set<ResultKind> {
    runner.missing(cell).intersection(Self.qualityKinds)
  }

  /// Errors, quality and memory of all cells that lack any of them.
  ///
  /// All strategies stand beside one dense pass, so their budgets have to be known before it: cells
  /// that others match take their own pass first.
  func runQuality() throws {
    var open = bench.cells.filter { !kinds(of: $0).isEmpty }
    guard !open.isEmpty else { return }
    let pass = QualityPass(
      model: model, task: task, samples: samples, makeFull: makeFull, futures: futures,
      checkpoint: runner.checkpoint, told: { [self] in note($1, ofSample: $0) })
    try leaveOutWhatFullCannotAnswer(pass)
    open = open.filter(isWorthwhile)
    let matched = open.reduce(into: Set<String>()) { $0.formUnion($1.references) }
    var early: [String: (own: QualityPass.Own, seconds: Double)] = [:]
    for cell in open where matched.contains(cell.cell.identity) {
      early[cell.cell.identity] = try attempting(cell) {
        let subject = try subject(cell)
        beginOwnPass(of: cell)
        var watch = Stopwatch()
        let own = try pass.own(of: subject, isMatched: true)
        runner.unstored[cell.cell.identity] = own.measurements
        return (own, watch.lap().seconds)
      }
    }
    let subjects = try open.compactMap { cell in try attempting(cell) { try subject(cell) } }
    guard !subjects.isEmpty else { return }
    begin(Self.densePass) { [work] in work?.densePass(over: $0) }
    let dense = try pass.dense(beside: subjects)
    for subject in subjects {
      let cell = subject.strategy.cell
      try attempting(cell) {
        for reference in cell.references.sorted() { try runner.checkNotFailed(reference) }
        let known = early.removeValue(forKey: cell.cell.identity)
        beginOwnPass(of: cell, isDone: known != nil)
        var watch = Stopwatch()
        let own = try subject.strategy.isFull ? dense.own : known?.own ?? pass.own(of: subject)
        var results = try pass.results(of: subject, own: own, dense: dense)
        if subject.kinds.contains(.memory) {
          results.measurements += subject.strategy.matchFigures(own.memory)
        }
        let seconds = watch.lap().seconds + (known?.seconds ?? 0)
        // A timing group finds the peak as it goes; without one it takes a pass of its own.
        if subject.kinds.contains(.memory) && !runner.missing(cell).contains(.latency) {
          beginTiming(of: cell, "peak of memory")
          results.measurements += try timedPass(
            subject.strategy, repetition: 0, isWarmup: true
          ).memory
          settle()
        }
        try model.requireUnchanged()
        try runner.store(results, of: cell, seconds: seconds)
      }
    }
  }

  /// Questions in turns are put to nothing else where full attention answers fewer than this share of them: there is
  /// nothing to lose.
  private static let leastScoreOfTurns = 0.5

  private func leaveOutWhatFullCannotAnswer(_ pass: QualityPass) throws {
    guard samples.contains(where: { !$0.laterTurns.isEmpty }),
      let full = bench.cells.first(where: { $0.cell.identity == $0.fullIdentity })
    else { return }
    let stored =
      runner.missing(full).contains(.quality)
      ? nil
      : try runner.storing {
        try runner.sink.storedMeasurement(
          MetricCatalogue.score.name, statistic: "mean", setting: nil, phase: nil,
          of: full.cell.identity)
      }
    let score =
      try stored
      ?? attempting(full) {
        begin("\(full.label), turns") { _ in nil }
        let subject = QualityPass.Subject(try strategy(for: full), [.quality])
        return try pass.meanScore(of: pass.own(of: subject))
      } ?? nil
    guard let score, score < Self.leastScoreOfTurns else { return }
    isFullAlone = true
    runner.remark(
      "\(bench.title): full attention scores \((100 * score).rounded() / 100) in \(samples[0].turns.count) turns, less than \(Self.leastScoreOfTurns); nothing else is run"
    )
  }

  private func isWorthwhile(_ cell: PlannedCell) -> Bool {
    !isFullAlone || cell.cell.identity == cell.fullIdentity
  }

  private func subject(_ cell: PlannedCell) throws -> QualityPass.Subject {
    QualityPass.Subject(try strategy(for: cell), kinds(of: cell))
  }

  private func strategy(for cell: PlannedCell) throws -> CellStrategy {
    if let made = strategies[cell.cell.identity] { return made }
    let made = try CellStrategy.prepare(
      cell, model: model, samples: samples, runner: runner)
    strategies[cell.cell.identity] = made
    advance(by: work?.preparation(of: cell.cell.identity, over: samples.map(\.length)) ?? 0)
    return made
  }

  /// A part of a cell's work; nil if it fails, or failed before, with the failure recorded. What
  /// ends the run passes through.
  @discardableResult
  private func attempting<Value>(
    _ cell: PlannedCell, _ body: () throws -> Value
  ) throws -> Value? {
    guard runner.failure(of: cell.cell.identity) == nil else { return nil }
    return try runner.attempt(failing: [cell]) {
      try runner.checkpoint()
      return try body()
    }
  }

  // MARK: Timing

  /// One timing group of `full`, the cells that lack latency, and `full` once more: every round times all of them, in an
  /// order drawn for it, so that neither a drifting machine nor a neighbour hits one more than another. The two runs of
  /// `full` say what a ratio of equal times looks like.
  func runTiming() throws {
    let open = bench.cells.filter {
      runner.missing($0).contains(.latency) && runner.failure(of: $0.cell.identity) == nil
        && isWorthwhile($0)
    }
    guard !open.isEmpty else { return }
    let isFull = { (cell: PlannedCell) in cell.cell.identity == cell.fullIdentity }
    let reference = bench.cells.filter { isFull($0) && !open.contains($0) }
    let strategies = try (reference + open).compactMap { cell in
      try attempting(cell) { try strategy(for: cell) }
    }
    func hasFailed(_ identity: String) -> Bool { runner.failure(of: identity) != nil }
    var runs = strategies.map { (strategy: $0, isControl: false) }
    runs += strategies.filter { isFull($0.cell) }.map { (strategy: $0, isControl: true) }
    var order = SeededGenerator(seed: bench.cell.seed, purpose: "order of timed runs")
    var group = TimingGroup(threads: model.model.workspace.workers.threadCount, samples: [])
    let warmups = runner.request.warmups
    let othersShare = try runner.alone {
      let load = MachineLoad()
      for repetition in 0..<warmups + runner.request.repeats {
        let isWarmup = repetition < warmups
        order.shuffle(&runs)
        for (strategy, isControl) in runs {
          try attempting(strategy.cell) {
            beginTiming(
              of: strategy.cell,
              isWarmup
                ? "warm-up" : "repeat \(repetition - warmups + 1) of \(runner.request.repeats)"
            )
            let timed = try undisturbed {
              try timedPass(strategy, repetition: repetition, isWarmup: isWarmup)
            }
            if isControl {
              group.controls.append(timed.sample)
            } else {
              group.samples.append(timed.sample)
              keepLargest(timed.memory, of: strategy.cell, in: &group)
            }
          }
          settle()
        }
      }
      return load?.othersShare
    }
    advance(by: 0)
    if let othersShare {
      for identity in group.measurements.keys {
        group.measurements[identity]?.append(
          MetricCatalogue.othersCoreShare.measurement("value", value: othersShare))
      }
      if othersShare > MetricCatalogue.undisturbedShare {
        runner.report(
          .note(
            "the times were disturbed: other processes took \(Int(100 * othersShare)) % of the cores meanwhile"
          ))
      }
    }
    group.samples.removeAll { hasFailed($0.identity) }
    group.controls.removeAll { hasFailed($0.identity) }
    group.measurements = group.measurements.filter { !hasFailed($0.key) }
    let timed = strategies.map(\.cell).filter { !hasFailed($0.cell.identity) }
    guard !timed.isEmpty else { return }
    try model.requireUnchanged()
    try runner.store(group, cells: timed)
  }

  /// What is timed across a standstill of the process is thrown away and timed again.
  private func undisturbed<Value>(_ body: () throws -> Value) throws -> Value {
    while true {
      let start = Standstill.Mark()
      let value = try body()
      guard start.isBroken else { return value }
      runner.report(
        .note(
          "\(watched.step.cell), \(watched.step.place): the process stood still meanwhile (stopped, or asleep with the machine); its times are thrown away and taken again"
        ))
      try runner.checkpoint()
    }
  }

  /// One timed run of the first sample from an empty start: kernels give their scratch back and the
  /// high-water mark is reset before it.
  private func timedPass(
    _ strategy: CellStrategy, repetition: Int, isWarmup: Bool
  ) throws -> (sample: TimingSample, memory: [Records.Measurement]) {
    // An oracle's run beforehand is not a part of what is timed.
    let session = try futures.telling(strategy.makeSession(for: samples[0]), of: 0)
    model.model.workspace.releaseScratch()
    model.model.releaseScratch()
    ScratchMemory.returnFreedMemory()
    let isResettable = ProcessMemory.resetPeak()
    let start = ProcessMemory.residentBytes
    let timed = TimedPass(
      model: model.model, sample: samples[0], decodeTokens: strategy.cell.decodeTokens,
      checkpoint: runner.checkpoint)
    let result = try timed.run(
      session, identity: strategy.cell.cell.identity, repetition: repetition,
      isWarmup: isWarmup)
    var memory = [
      MetricCatalogue.workspaceBytes.measurement(
        "value", value: Double(ScratchMemory.allocatedBytes))
    ]
    if isResettable, let start, let peak = ProcessMemory.peakResidentBytes {
      memory += [
        MetricCatalogue.peakResidentBytes.measurement("value", value: Double(peak)),
        MetricCatalogue.peakResidentBytes.measurement("start", value: Double(start)),
      ]
    }
    return (result, memory)
  }

  /// Of the repeats the one with the highest mark counts.
  private func keepLargest(
    _ memory: [Records.Measurement], of cell: PlannedCell, in group: inout TimingGroup
  ) {
    func peak(_ memory: [Records.Measurement]?) -> Double {
      memory?.first { $0.name == MetricCatalogue.peakResidentBytes.name }?.value ?? 0
    }
    let known = group.measurements[cell.cell.identity]
    if known == nil || peak(memory) > peak(known) {
      group.measurements[cell.cell.identity] = memory
    }
  }

  // MARK: Progress

  /// The pass that is going on, as far as it has been told.
  private struct WatchedPass {
    var step: RunStep
    /// What it takes over one sample, as planned.
    var cost: (SampleLength) -> GroupWork.Pass? = { _ in nil }
    var sample: Int?
    /// Of the sample in progress, what has not been counted as done.
    var owed = 0.0
    var decoded = 0
    /// When the phase began, and when something was told last.
    var began = ContinuousClock.now
    var last = ContinuousClock.now
  }

  /// Names the pass that begins.
  private func begin(
    _ label: String, _ phase: RunStep.Phase = .prefill, place: String = "",
    cost: @escaping (SampleLength) -> GroupWork.Pass?
  ) {
    settle()
    watched = WatchedPass(
      step: RunStep(phase, of: label, place: place, group: bench.title), cost: cost)
    advance(by: 0)
  }

  private func beginOwnPass(of cell: PlannedCell, isDone: Bool = false) {
    begin(cell.label) { [work] in
      isDone ? nil : work?.ownPass(of: cell.cell.identity, over: $0)
    }
  }

  /// A timed pass is not watched: it is counted when it is settled.
  private func beginTiming(of cell: PlannedCell, _ place: String) {
    begin(cell.label, .timing, place: place) { _ in nil }
    watched.owed = work?.timedPass(of: cell.cell.identity, over: samples[0].length) ?? 0
  }

  /// Counts what is left of a sample that is over: an answer may end early.
  private func settle() {
    runner.progress.add(watched.owed / max(totalWork, 1e-9))
    watched.owed = 0
  }

  private func note(_ progress: QualityPass.SampleProgress, ofSample index: Int) {
    let length = samples[index].length
    let cost = watched.cost(length) ?? GroupWork.Pass()
    if watched.sample != index {
      settle()
      watched.sample = index
      watched.owed = cost.seconds
      watched.decoded = 0
      watched.began = watched.last
      watched.step.phase = .prefill
      watched.step.place = "sample \(index + 1) of \(samples.count)"
    }
    let now = ContinuousClock.now
    var amount: Double
    let tokens: Double
    switch progress {
    case .layers(let count):
      let layers = Double(model.model.shape.layers)
      amount = cost.prompt / layers
      tokens = Double(length.prompt) * Double(count) / layers
    case .decoded(let count):
      if watched.step.phase == .prefill {
        watched.step.phase = .decode
        watched.began = watched.last
      }
      amount = cost.rest * Double(count - watched.decoded) / Double(max(1, length.decoded))
      watched.decoded = count
      tokens = Double(count)
    }
    amount = min(amount, watched.owed)
    watched.owed -= amount
    watched.last = now
    let seconds = (now - watched.began).seconds
    watched.step.tokensPerSecond = seconds > 0 ? tokens / seconds : nil
    advance(by: amount)
  }

  private func advance(by amount: Double) {
    runner.progress.add(amount / max(totalWork, 1e-9))
    runner.report(
      .progress(
        watched.step, done: runner.progress.fraction, remaining: runner.progress.remaining))
  }
}
