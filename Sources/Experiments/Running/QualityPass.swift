import Attention
import Probes
import Records
import Tasks
import Tensors
import Tokenization
import Transformer

/// The passes that find out how good a strategy is, over all samples of one model x context length x task.
///
/// One dense pass serves all strategies: it gives the reference predictions and, with sessions of the strategies beside
/// it, their `isolated` errors. Then each strategy has its `propagated` pass, in which its own output goes on: errors
/// again, and the quality figures.
package struct QualityPass {
  let model: any RunModel
  let task: any ExperimentTask
  let samples: [TaskSample]
  let makeFull: () -> AttentionSession
  let futures: FutureShelf
  let measuresApproximation: Bool
  let measuresQuality: Bool
  let measuresMemory: Bool
  /// Asked between steps; throws to end the run.
  let checkpoint: () throws -> Void
  /// Told of each layer of a prompt that is done.
  let afterLayer: (TaskSample) -> Void

  package init(
    model: any RunModel, task: any ExperimentTask, samples: [TaskSample],
    makeFull: @escaping () -> AttentionSession, futures: FutureShelf,
    measuresApproximation: Bool,
    measuresQuality: Bool, measuresMemory: Bool, checkpoint: @escaping () throws -> Void,
    afterLayer: @escaping (TaskSample) -> Void
  ) {
    self.model = model
    self.task = task
    self.samples = samples
    self.makeFull = makeFull
    self.futures = futures
    self.measuresApproximation = measuresApproximation
    self.measuresQuality = measuresQuality
    self.measuresMemory = measuresMemory
    self.checkpoint = checkpoint
    self.afterLayer = afterLayer
  }

  /// What the dense run predicted, by sample.
  package struct Dense {
    var outcomes: [SamplePass.Outcome] = []
    var memory: MemoryFigures
    /// Isolated errors, or what was wrong with them, by strategy in the order given.
    package var isolated: [Result<[HeadMeasurement], any Error>] = []

    /// The same run, for strategies of which it measured nothing.
    func isolatingNothing(of strategies: [CellStrategy]) -> Dense {
      var dense = self
      dense.isolated = strategies.map { _ in .success([]) }
      return dense
    }
  }

  /// The dense run of all samples, with the sessions of `strategies` beside it.
  package func dense(isolating strategies: [CellStrategy]) throws -> Dense {
    let measured = measuresApproximation ? strategies : []
    // What the dense cache holds is a figure of `full`; else it is kept only where decode steps need it.
    let keepsDense = hasDecodeSteps || strategies.contains(where: \.isFull)
    var probe: ApproximationProbe?
    var dense = Dense(memory: MemoryFigures(shape: model.model.shape))
    for (index, sample) in samples.enumerated() {
      let full = makeFull()
      var attention: any LayerAttention = full
      if !measured.isEmpty {
        let sparse = try measured.map {
          try futures.telling($0.makeSession(for: sample), of: index)
        }
        if let probe {
          probe.beginSample(dense: full, sparse: sparse)
        } else {
          probe = ApproximationProbe(
            .isolated, dense: full, sparse: sparse, keepsShadow: keepsDense)
        }
        attention = probe ?? full
      }
      dense.outcomes.append(
        try pass(sample).run(attention: attention) { dense.memory.afterPrefill(full) })
      dense.memory.atEnd(full)
    }
    dense = dense.isolatingNothing(of: strategies)
    if let probe {
      let heads = probe.finish()
      dense.isolated = zip(heads, probe.failures).map { heads, failure in
        failure.map { .failure($0) } ?? .success(heads)
      }
    }
    return dense
  }

  /// Everything about one strategy: its isolated errors, and what its own run of all samples gives.
  ///
  /// For `full` the dense run is its own run, and its errors (a second session's against the first's) are the same in
  /// both settings.
  package func results(
    of strategy: CellStrategy, dense: Dense, isolated: [HeadMeasurement]
  ) throws -> CellResults {
    if strategy.isFull {
      return try results(
        of: strategy, outcomes: dense.outcomes, dense: nil,
        heads: isolated + isolated.asPropagated, memory: dense.memory)
    }
    var memory = MemoryFigures(shape: model.model.shape)
    var outcomes: [SamplePass.Outcome] = []
    var probe: ApproximationProbe?
    // Where no output goes on, both settings are the same.
    let buildsUp = model.model.carriesOutput
    for (index, sample) in samples.enumerated() {
      let session = try futures.telling(strategy.makeSession(for: sample), of: index)
      var attention: any LayerAttention = PiecewiseAttention(session)
      if measuresApproximation && buildsUp {
        let full = makeFull()
        if let probe {
          probe.beginSample(dense: full, sparse: [session])
        } else {
          probe = ApproximationProbe(
            .propagated, dense: full, sparse: [session], keepsShadow: hasDecodeSteps)
        }
        attention = probe ?? attention
      }
      outcomes.append(
        try pass(sample).run(attention: attention) { memory.afterPrefill(session) })
      memory.atEnd(session)
      if let fault = session.fault { throw fault }
    }
    if let failure = probe?.failures.first ?? nil { throw failure }
    return try results(
      of: strategy, outcomes: outcomes, dense: dense.outcomes,
      heads: isolated + (buildsUp ? probe?.finish().first ?? [] : isolated.asPropagated),
      memory: memory)
  }

  private func results(
    of strategy: CellStrategy, outcomes: [SamplePass.Outcome], dense: [SamplePass.Outcome]?,
    heads: [HeadMeasurement], memory: MemoryFigures
  ) throws -> CellResults {
    let quality: (measurements: [Records.Measurement], units: [ScoredUnit]) =
      measuresQuality ? try score(outcomes, dense: dense) : ([], [])
    return CellResults(
      identity: strategy.cell.cell.identity,
      kinds: kinds,
      measurements: AggregatedMeasurements.measurements(of: heads) + quality.measurements
        + (measuresMemory ? memory.measurements : []),
      heads: heads, units: quality.units)
  }

  private var kinds: Set<ResultKind> {
    var kinds: Set<ResultKind> = []
    if measuresQuality { kinds.insert(.quality) }
    if measuresApproximation { kinds.insert(.approximation) }
    if measuresMemory { kinds.insert(.memory) }
    return kinds
  }

  private func pass(_ sample: TaskSample) -> SamplePass {
    SamplePass(
      model: model.model, sample: sample, checkpoint: checkpoint,
      afterLayer: { _ in afterLayer(sample) })
  }

  private var hasDecodeSteps: Bool { samples.contains(where: \.hasDecodeSteps) }

  // MARK: Scores

  /// The figures of scored tokens (against the dense run's, if given) and of answers.
  private func score(
    _ outcomes: [SamplePass.Outcome], dense: [SamplePass.Outcome]?
  ) throws -> (measurements: [Measurement], units: [ScoredUnit]) {
    var quality = QualityMeasure()
    var answers: [ScoredUnit] = []
    for (index, (sample, outcome)) in zip(samples, outcomes).enumerated() {
      try checkpoint()
      if let first = sample.scoredFrom {
        quality.beginSample(firstScoredPosition: first)
        observe(sample, outcome, dense: dense?[index], into: &quality)
      }
      if sample.greedyTokens > 0 {
        let text = model.text(of: outcome.greedy)
        answers.append(
          ScoredUnit(
            sample: index, index: sample.index, place: sample.place, tokens: 1,
            score: task.score(text, of: sample), answer: text, expected: sample.expected))
      }
    }
    var (measurements, units) = try quality.finish()
    if !answers.isEmpty {
      let mean = answers.reduce(0) { $0 + ($1.score ?? 0) } / Double(answers.count)
      measurements.append(MetricCatalogue.score.measurement("mean", value: mean))
      let chance = samples.reduce(0) { $0 + ($1.chanceLevel ?? taskChance) }
      measurements.append(
        MetricCatalogue.chanceLevel.measurement(
          "mean", value: chance / Double(samples.count)))
    }
    units += answers
    return (measurements, units)
  }

  private var taskChance: Double { type(of: task).description.chanceLevel ?? 0 }

  /// Scores a sample's tokens. The dense logits are made again from its hidden states, row by row beside the sparse
  /// ones, so that no more than a tile of either exists.
  private func observe(
    _ sample: TaskSample, _ outcome: SamplePass.Outcome, dense: SamplePass.Outcome?,
    into quality: inout QualityMeasure
  ) {
    let targets = Array(sample.scoredTargets)
    guard let dense else {
      model.model.forEachLogits(of: outcome.scoredHidden) { row, logits in
        quality.observeDense(logits, target: targets[row])
      }
      return
    }
    let pairs = Matrix.interleaving(dense.scoredHidden, outcome.scoredHidden)
    var denseLogits: [Float] = []
    model.model.forEachLogits(of: pairs) { row, logits in
      if row % 2 == 0 {
        denseLogits.removeAll(keepingCapacity: true)
        for index in 0..<logits.count { denseLogits.append(logits[index]) }
      } else {
        quality.observe(logits, dense: denseLogits.span, target: targets[row / 2])
      }
    }
  }
}

extension [HeadMeasurement] {
  /// The same figures for the other setting.
  fileprivate var asPropagated: [HeadMeasurement] {
    map { head in
      var head = head
      head.setting = .propagated
      return head
    }
  }
}

extension Matrix {
  /// Row 2r is row r of `first`, row 2r + 1 row r of `second`; traps unless the shapes agree.
  static func interleaving(_ first: Matrix, _ second: Matrix) -> Matrix {
    precondition(
      first.rows == second.rows && first.columns == second.columns,
      "Matrix.interleaving: \(first.rows) x \(first.columns), \(second.rows) x \(second.columns)")
    var elements: [Float] = []
    elements.reserveCapacity(2 * first.elements.count)
    for row in 0..<first.rows {
      let range = row * first.columns..<(row + 1) * first.columns
      elements += first.elements[range]
      elements += second.elements[range]
    }
    return Matrix(rows: 2 * first.rows, columns: first.columns, elements: elements)
  }
}
