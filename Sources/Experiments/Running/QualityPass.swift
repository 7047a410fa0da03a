import Attention
import Probes
import Records
import Tasks
import Tensors
import Tokenization
import Transformer

/// The passes that find out how good strategies are, over all samples of one model x context length
/// x task.
///
/// One dense pass serves all of them: it gives the reference predictions and, with sessions of the
/// strategies beside it, their `isolated` errors. Each strategy has a pass of its own besides, in
/// which its own output goes on: its `propagated` errors, and the predictions that its quality is
/// judged by.
package struct QualityPass {
  let model: any RunModel
  let task: any ExperimentTask
  let samples: [TaskSample]
  let makeFull: () -> AttentionSession
  let futures: FutureShelf
  /// Asked between steps; throws to end the run.
  let checkpoint: () throws -> Void
  /// Told of each layer of a sample's prompt that is done, then of the tokens decoded after it.
  let told: (_ sample: Int, SampleProgress) -> Void

  package init(
    model: any RunModel, task: any ExperimentTask, samples: [TaskSample],
    makeFull: @escaping () -> AttentionSession, futures: FutureShelf,
    checkpoint: @escaping () throws -> Void = {},
    told: @escaping (Int, SampleProgress) -> Void = { _, _ in }
  ) {
    self.model = model
    self.task = task
    self.samples = samples
    self.makeFull = makeFull
    self.futures = futures
    self.checkpoint = checkpoint
    self.told = told
  }

  /// How far a sample is.
  package enum SampleProgress {
    /// Layers of its prompt that are done.
    case layers(Int)
    /// Tokens after its prompt.
    case decoded(Int)
  }

  /// A strategy, and what its cell is asked for.
  package struct Subject {
    let strategy: CellStrategy
    let kinds: Set<ResultKind>

    package init(_ strategy: CellStrategy, _ kinds: Set<ResultKind>) {
      self.strategy = strategy
      self.kinds = kinds
    }

    var identity: String { strategy.cell.cell.identity }
  }

  /// What a run of all samples came to.
  package struct Own {
    var outcomes: [SamplePass.Outcome] = []
    /// By question: the share of the answer's tokens in the prompt that no KV head holds any more.
    var lostAnswers: [Double] = []
    var memory: MemoryFigures
    /// Of the first sample; empty where memory was not asked for.
    var kept: [KeptTokens] = []
    /// The propagated errors; empty where they were not measured.
    var heads: [HeadMeasurement] = []
    /// The process's memory at the most over the first sample; nil where a probe stood beside it, whose memory would
    /// count too.
    var peak: [Records.Measurement]?

    /// What other cells' budgets may match.
    var measurements: [Records.Measurement] {
      AggregatedMeasurements.measurements(of: heads) + memory.measurements
    }
  }

  package struct Dense {
    var own: Own
    /// Isolated errors, or what was wrong with them, by identity.
    var isolated: [String: Result<[HeadMeasurement], any Error>] = [:]
  }

  /// Whether anything comes from the dense run: what `full` itself is to give, errors, or the predictions that those of
  /// scored tokens are held against. Answers stand for themselves.
  package func needsDense(for subjects: [Subject]) -> Bool {
    subjects.contains { $0.strategy.isFull || $0.kinds.contains(.approximation) }
      || samples.contains { $0.scoredFrom != nil }
        && subjects.contains { $0.kinds.contains(.quality) }
  }

  /// The dense run, with sessions of the subjects beside it; nothing where it is not needed.
  package func dense(beside subjects: [Subject]) throws -> Dense {
    guard needsDense(for: subjects) else {
      return Dense(own: Own(memory: MemoryFigures(shape: model.model.shape)))
    }
    let measured = subjects.filter { $0.kinds.contains(.approximation) }
    // What the dense cache holds is a figure of `full`; else it is kept only where decode steps
    // need it.
    let keepsDense = hasDecodeSteps || subjects.contains(where: \.strategy.isFull)
    var probe: ApproximationProbe?
    var dense = Dense(own: Own(memory: MemoryFigures(shape: model.model.shape)))
    for index in samples.indices {
      let full = makeFull()
      let sparse = try measured.map { subject in
        subject.strategy.isFull
          ? full
          : try futures.telling(subject.strategy.makeSession(for: samples[index]), of: index)
      }
      if let probe {
        probe.beginSample(dense: full, sparse: sparse)
      } else if !sparse.isEmpty {
        probe = ApproximationProbe(
          .isolated, dense: full, sparse: sparse, keepsShadow: keepsDense)
      }
      try run(
        index, probe, orElse: full, holding: full,
        asking: subjects.first(where: \.strategy.isFull)?.kinds ?? [], into: &dense.own)
    }
    if let probe {
      for (subject, (heads, failure)) in zip(measured, zip(probe.finish(), probe.failures)) {
        dense.isolated[subject.identity] = failure.map { .failure($0) } ?? .success(heads)
      }
    }
    return dense
  }

  /// The run in which the subject's own output goes on.
  ///
  /// - Parameter isMatched: whether other cells' budgets match this one's use. Where no output goes
  ///   on, the errors are the isolated ones, and measured here for them alone.
  package func own(of subject: Subject, isMatched: Bool = false) throws -> Own {
    let isMeasured =
      subject.kinds.contains(.approximation) && (model.model.carriesOutput || isMatched)
    var own = Own(memory: MemoryFigures(shape: model.model.shape))
    var probe: ApproximationProbe?
    for (index, sample) in samples.enumerated() {
      let session = try futures.telling(subject.strategy.makeSession(for: sample), of: index)
      if let probe {
        probe.beginSample(dense: makeFull(), sparse: [session])
      } else if isMeasured {
        probe = ApproximationProbe(
          .propagated, dense: makeFull(), sparse: [session], keepsShadow: hasDecodeSteps)
      }
      try run(
        index, probe, orElse: PiecewiseAttention(session), holding: session,
        asking: subject.kinds, into: &own)
      if let fault = session.fault { throw fault }
    }
    if let failure = probe?.failures.first ?? nil { throw failure }
    own.heads = probe?.finish().first ?? []
    return own
  }

  /// Everything about one strategy: its isolated errors, and what its own run gave.
  ///
  /// For `full` the dense run is its own run, and its errors (the dense output against itself) are
  /// the same in both settings.
  package func results(of subject: Subject, own: Own, dense: Dense) throws -> CellResults {
    let isolated = try dense.isolated[subject.identity]?.get() ?? []
    let isFull = subject.strategy.isFull
    let heads =
      isolated
      + (isFull || !model.model.carriesOutput ? isolated.asPropagated : own.heads)
    let quality: (measurements: [Records.Measurement], units: [ScoredUnit]) =
      subject.kinds.contains(.quality)
      ? try score(own, dense: isFull ? nil : dense.own.outcomes) : ([], [])
    return CellResults(
      identity: subject.identity, kinds: subject.kinds,
      measurements: AggregatedMeasurements.measurements(of: heads) + quality.measurements
        + (subject.kinds.contains(.memory) ? own.memory.measurements : []),
      heads: heads, units: quality.units,
      kept: own.kept)
  }

  /// Takes one sample through the model, under a probe or else the plain attention; `session` is the one whose cache
  /// counts.
  private func run(
    _ index: Int, _ probe: ApproximationProbe?, orElse plain: any LayerAttention,
    holding session: AttentionSession, asking kinds: Set<ResultKind>, into own: inout Own
  ) throws {
    let peak =
      index == 0 && probe == nil && kinds.contains(.memory) ? MemoryPeak(of: model.model) : nil
    defer { if let peak { own.peak = peak.measurements } }
    let pass = SamplePass(
      model: model.model, sample: samples[index], checkpoint: checkpoint,
      afterLayer: { told(index, .layers($0 + 1)) }, afterDecoded: { told(index, .decoded($0)) })
    own.outcomes.append(
      try pass.run(attention: probe ?? plain) {
        own.memory.afterPrefill(session)
        if index == 0, kinds.contains(.memory) {
          own.kept = session.keptTokens(ofPrompt: samples[index].prompt.count)
        }
      } beforeAnswer: { turn in
        if let share = session.shareHeldNowhere(of: turn.answerPositions) {
          own.lostAnswers.append(share)
        }
      })
    own.memory.atEnd(session)
  }

  private var hasDecodeSteps: Bool { samples.contains(where: \.hasDecodeSteps) }

  // MARK: Scores

  /// The figures of scored tokens (against the dense run's, if given) and of answers.
  private func score(
    _ own: Own, dense: [SamplePass.Outcome]?
  ) throws -> (measurements: [Measurement], units: [ScoredUnit]) {
    var quality = QualityMeasure()
    let answers = self.answers(of: own)
    for (index, (sample, outcome)) in zip(samples, own.outcomes).enumerated() {
      try checkpoint()
      if let first = sample.scoredFrom {
        quality.beginSample(firstScoredPosition: first)
        observe(sample, outcome, dense: dense?[index], into: &quality)
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
      if let lost = own.lostAnswers.mean {
        measurements.append(MetricCatalogue.lostAnswerTokens.measurement("mean", value: lost))
      }
    }
    units += answers
    return (measurements, units)
  }

  /// A unit for each question: of one question the sample's place, of several the turn.
  private func answers(of own: Own) -> [ScoredUnit] {
    zip(samples, own.outcomes).enumerated().flatMap { index, pair in
      let (sample, outcome) = pair
      return zip(sample.turns, outcome.answers).enumerated().map { number, turn in
        let asked = sample.asking(turn.0)
        let text = model.text(of: turn.1)
        return ScoredUnit(
          sample: index, index: sample.laterTurns.isEmpty ? sample.index : number,
          place: asked.place, tokens: 1, score: task.score(text, of: asked), answer: text,
          expected: asked.expected)
      }
    }
  }

  /// The mean score of all answers; nil where nothing was asked.
  package func meanScore(of own: Own) -> Double? { answers(of: own).compactMap(\.score).mean }

  private var taskChance: Double { type(of: task).description.chanceLevel ?? 0 }

  /// Scores a sample's tokens. The dense logits are made again from its hidden states, row by row
  /// beside the sparse ones, so that no more than a tile of either exists.
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
