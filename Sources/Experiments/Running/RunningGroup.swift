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
  private let progress: GroupProgress
  private var strategies: [String: CellStrategy] = [:]
  /// Whether full attention cannot do the task, so that no other cell is run.
  private var isFullAlone = false

  /// Throws what is wrong with the model, the task or its text: then no cell of the bench can run.
  init(_ bench: CellGroup, runner: ExperimentRunner) throws {
    self.bench = bench
    self.runner = runner
    let cell = bench.cell
    runner.report(.began(bench.title))
    let start = ContinuousClock.now
    progress = GroupProgress(of: bench.title, in: runner)
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
    try runner.requireUnchanged(textsOf: cell)
    progress.plan(
      runner.work(of: bench), over: samples.map(\.length), layers: model.model.shape.layers)
    let decoder = model.model
    let cache = runner.request.strategies[bench.cells[0].fullIdentity]?.cache ?? .f16
    makeFull = {
      AttentionSession(
        FullAttention(), shape: decoder.shape, workspace: decoder.workspace, cache: cache)
    }
    futures = FutureShelf(
      model: decoder, samples: samples, makeFull: makeFull, checkpoint: runner.checkpoint)
    runner.report(.ended("loading", seconds: (ContinuousClock.now - start).seconds))
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
      checkpoint: runner.checkpoint, told: { [progress] in progress.note($1, ofSample: $0) })
    try leaveOutWhatFullCannotAnswer(pass)
    open = open.filter(isWorthwhile)
    let matched = open.reduce(into: Set<String>()) { $0.formUnion($1.references) }
    var early: [String: (own: QualityPass.Own, seconds: Double)] = [:]
    for cell in open where matched.contains(cell.cell.identity) {
      early[cell.cell.identity] = try attempting(cell) {
        let subject = try subject(cell)
        progress.beginOwnPass(of: cell)
        var watch = Stopwatch()
        let own = try pass.own(of: subject, isMatched: true)
        runner.unstored[cell.cell.identity] = own.measurements
        return (own, watch.lap().seconds)
      }
    }
    let subjects = try open.compactMap { cell in try attempting(cell) { try subject(cell) } }
    guard !subjects.isEmpty else { return }
    let isNeeded = pass.needsDense(for: subjects)
    if isNeeded { progress.beginDensePass() }
    let dense = try runner.timing("dense pass", told: isNeeded) {
      try pass.dense(beside: subjects)
    }
    for subject in subjects {
      let cell = subject.strategy.cell
      try attempting(cell) {
        for reference in cell.references.sorted() { try runner.checkNotFailed(reference) }
        let known = early.removeValue(forKey: cell.cell.identity)
        progress.beginOwnPass(of: cell, isDone: known != nil)
        var watch = Stopwatch()
        let own = try subject.strategy.isFull ? dense.own : known?.own ?? pass.own(of: subject)
        var results = try pass.results(of: subject, own: own, dense: dense)
        if subject.kinds.contains(.memory) {
          results.measurements += subject.strategy.matchFigures(own.memory)
        }
        // A timing group finds the peak as it goes; without one, where a probe stood beside, it takes a pass.
        if subject.kinds.contains(.memory) && !runner.missing(cell).contains(.latency) {
          results.measurements += try own.peak ?? peak(of: subject.strategy)
        }
        let seconds = watch.lap().seconds + (known?.seconds ?? 0)
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
      : try runner.storedFigure(MetricCatalogue.score, "mean", of: full.cell.identity)
    let score =
      try stored
      ?? attempting(full) {
        progress.begin("\(full.label), turns")
        let subject = QualityPass.Subject(try strategy(for: full), [.quality])
        let own = try runner.timing("\(full.label), turns") { try pass.own(of: subject) }
        return pass.meanScore(of: own)
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
    progress.prepared(cell)
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
    let isFull = { (cell: PlannedCell) in cell.cell.identity == cell.fullIdentity }
    // Times that were taken without `full` are ratios to nothing: they are taken again with it.
    let isFullOpen = bench.cells.contains {
      isFull($0) && runner.missing($0).contains(.latency)
        && runner.failure(of: $0.cell.identity) == nil
    }
    let open = bench.cells.filter {
      runner.missing($0).contains(.latency) || isFullOpen && runner.wants(.latency, of: $0)
    }.filter { runner.failure(of: $0.cell.identity) == nil && isWorthwhile($0) }
    guard !open.isEmpty else { return }
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
      let start = ContinuousClock.now
      let load = MachineLoad()
      for repetition in 0..<warmups + runner.request.repeats {
        let isWarmup = repetition < warmups
        order.shuffle(&runs)
        for (strategy, isControl) in runs {
          try attempting(strategy.cell) {
            progress.beginTiming(
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
          progress.settle()
        }
      }
      let repeats = runner.request.repeats.counting("repeat")
      runner.report(
        .ended("timing, \(repeats)", seconds: (ContinuousClock.now - start).seconds))
      return load?.othersShare
    }
    progress.tell()
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
          "\(progress.step.cell), \(progress.step.place): the process stood still meanwhile (stopped, or asleep with the machine); its times are thrown away and taken again"
        ))
      try runner.checkpoint()
    }
  }

  private func peak(of strategy: CellStrategy) throws -> [Records.Measurement] {
    progress.beginTiming(of: strategy.cell, "peak of memory")
    let memory = try timedPass(strategy, repetition: 0, isWarmup: true).memory
    progress.settle()
    return memory
  }

  /// One timed run of the first sample, and its peak of memory.
  private func timedPass(
    _ strategy: CellStrategy, repetition: Int, isWarmup: Bool
  ) throws -> (sample: TimingSample, memory: [Records.Measurement]) {
    // An oracle's run beforehand is not a part of what is timed.
    let session = try futures.telling(strategy.makeSession(for: samples[0]), of: 0)
    let peak = MemoryPeak(of: model.model)
    let timed = TimedPass(
      model: model.model, sample: samples[0], decodeTokens: strategy.cell.decodeTokens,
      checkpoint: runner.checkpoint)
    let result = try timed.run(
      session, identity: strategy.cell.cell.identity, repetition: repetition,
      isWarmup: isWarmup)
    return (result, peak.measurements)
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
}
