import Attention
import Kernels
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
  private var strategies: [String: CellStrategy] = [:]
  private var dense: QualityPass.Dense?

  /// Throws what is wrong with the model, the task or its text: then no cell of the bench can run.
  init(_ bench: CellGroup, runner: ExperimentRunner) throws {
    self.bench = bench
    self.runner = runner
    let cell = bench.cell
    runner.report(.began(bench.title))
    model = try runner.models.model(named: cell.model)
    task = try TaskRegistry.builtIn.task(
      named: cell.task, parameters: cell.taskParameters, folder: runner.request.folder)
    samples = try model.samples(
      of: task, contextLength: cell.contextLength, seed: cell.seed)
    let decoder = model.model
    makeFull = {
      AttentionSession(FullAttention(), shape: decoder.shape, workspace: decoder.workspace)
    }
    futures = FutureShelf(
      model: decoder, samples: samples, makeFull: makeFull, checkpoint: runner.checkpoint)
  }

  // MARK: Quality

  private static let qualityKinds: Set<ResultKind> = [.approximation, .quality, .memory]

  /// Errors, quality and memory of all cells that lack any of them; matched cells once their reference is stored.
  func runQuality() throws {
    var open = bench.cells.filter { !runner.missing($0).isDisjoint(with: Self.qualityKinds) }
    while !open.isEmpty {
      let ready = open.filter { cell in
        !open.contains { cell.references.contains($0.cell.identity) }
      }
      precondition(!ready.isEmpty, "RunningGroup.runQuality: cells wait for each other in a ring")
      try runQuality(of: ready)
      open.removeAll { cell in ready.contains { $0.cell.identity == cell.cell.identity } }
    }
  }

  private func runQuality(of cells: [PlannedCell]) throws {
    let strategies = try cells.compactMap { cell in try strategy(for: cell) }
    guard !strategies.isEmpty else { return }
    let pass = QualityPass(
      model: model, task: task, samples: samples, makeFull: makeFull, futures: futures,
      measuresApproximation: strategies.contains {
        runner.missing($0.cell).contains(.approximation)
      },
      measuresQuality: strategies.contains { runner.missing($0.cell).contains(.quality) },
      measuresMemory: strategies.contains { runner.missing($0.cell).contains(.memory) },
      checkpoint: runner.checkpoint,
      afterLayer: { [self] sample in advance(by: cost(of: sample) / Double(layers)) })
    let dense = try dense(of: pass, isolating: strategies)
    for (strategy, isolated) in zip(strategies, dense.isolated) {
      try runner.checkpoint()
      advance(by: 0, strategy.cell.label)
      var watch = Stopwatch()
      do {
        var results = try pass.results(of: strategy, dense: dense, isolated: try isolated.get())
        // A timing group finds the peak as it goes; without one it takes a pass of its own.
        if pass.measuresMemory && !runner.missing(strategy.cell).contains(.latency) {
          results.measurements += try timedPass(
            strategy, repetition: 0, isWarmup: true
          ).memory
        }
        try runner.store(results, of: strategy.cell, seconds: watch.lap())
      } catch let error as any StoreFailure {
        throw error
      } catch RunError.interrupted {
        throw RunError.interrupted
      } catch {
        try runner.fail(strategy.cell, error)
      }
    }
  }

  /// The dense run beside the strategies. Where it has nothing to measure of them, matched cells, which come after their
  /// references, need no second one.
  private func dense(
    of pass: QualityPass, isolating strategies: [CellStrategy]
  ) throws -> QualityPass.Dense {
    if !pass.measuresApproximation, !strategies.contains(where: \.isFull), let known = dense {
      return known.isolatingNothing(of: strategies)
    }
    advance(by: 0, "dense pass")
    let fresh = try pass.dense(isolating: strategies)
    dense = fresh
    return fresh
  }

  /// The cell's strategy, or nil after its failure is recorded.
  private func strategy(for cell: PlannedCell) throws -> CellStrategy? {
    if let made = strategies[cell.cell.identity] { return made }
    guard runner.failure(of: cell.cell.identity) == nil else { return nil }
    do {
      let made = try CellStrategy.prepare(
        cell, model: model, samples: samples, runner: runner)
      strategies[cell.cell.identity] = made
      return made
    } catch let error as any StoreFailure {
      throw error
    } catch RunError.interrupted {
      throw RunError.interrupted
    } catch {
      try runner.fail(cell, error)
      return nil
    }
  }

  // MARK: Timing

  /// One timing group of `full` and the cells that lack latency, interleaved so that a drifting machine hits all alike.
  func runTiming() throws {
    let open = bench.cells.filter {
      runner.missing($0).contains(.latency) && runner.failure(of: $0.cell.identity) == nil
    }
    guard !open.isEmpty else { return }
    let isFull = { (cell: PlannedCell) in cell.cell.identity == cell.fullIdentity }
    let reference = bench.cells.filter { isFull($0) && !open.contains($0) }
    let strategies = try (reference + open).compactMap { cell in try strategy(for: cell) }
    var group = TimingGroup(threads: model.model.workspace.workers.threadCount, samples: [])
    var failed: Set<String> = []
    for repetition in 0..<runner.request.warmups + runner.request.repeats {
      let isWarmup = repetition < runner.request.warmups
      for strategy in strategies where !failed.contains(strategy.cell.cell.identity) {
        try runner.checkpoint()
        advance(by: 0, "timing \(strategy.cell.label), repeat \(repetition)")
        do {
          let timed = try timedPass(
            strategy, repetition: repetition, isWarmup: isWarmup)
          group.samples.append(timed.sample)
          keepLargest(timed.memory, of: strategy.cell, in: &group)
        } catch {
          try runner.fail(strategy.cell, error)
          failed.insert(strategy.cell.cell.identity)
        }
        advance(by: cost(of: samples[0]))
      }
    }
    group.samples.removeAll { failed.contains($0.identity) }
    for identity in failed { group.measurements[identity] = nil }
    let timed = strategies.map(\.cell).filter { !failed.contains($0.cell.identity) }
    if !timed.isEmpty { try runner.store(group, cells: timed) }
  }

  /// One timed run of the first sample from an empty start: kernels give their scratch back and the high-water mark is reset before it.
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
      model: model.model, sample: samples[0], decodeTokens: strategy.cell.decodeTokens)
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

  private var layers: Int { model.model.shape.layers }

  private func cost(of sample: TaskSample) -> Double {
    PassCost.relative(tokens: sample.prompt.count)
  }

  private func advance(by work: Double, _ what: String? = nil) {
    runner.progress.add(work)
    if let what { currentStep = what }
    runner.report(
      .progress(
        "\(bench.title): \(currentStep)", done: runner.progress.fraction,
        remaining: runner.progress.remaining))
  }

  private var currentStep = ""
}
