import JSON
import Records

/// A small experiment as the store would give it back; made-up figures that are easy to follow.
enum ExampleResults {
  static let provenance = Provenance(
    programVersion: "0.1.0", sourceState: "0123456789ab", numericsVersion: 1,
    operatingSystem: "Debian GNU/Linux 12", cpu: "Made-up CPU", cores: 2,
    memoryBytes: 24 * 1_073_741_824, blas: "OpenBLAS 0.3.21", blasThreadsPerCall: 1, threads: 2,
    compiler: "Swift 6.3", compilerFlags: "release", dependencies: [:])

  static let strategies = ["full", "streaming-llm", "tca threshold=0.7", "tca threshold=0.9"]

  /// Two lengths, two tasks, four strategies; everything measured, each segment in a window of its own.
  static func experiment(contexts: [Int] = [512, 2048]) -> ExperimentResults {
    var rows: [ComparisonRow] = []
    var groups: [StoredTimingGroup] = []
    for context in contexts {
      for task in ["perplexity", "passkey"] {
        let group = rows.count
        for number in strategies.indices {
          rows.append(row(context: context, task: task, strategy: number))
        }
        groups.append(
          StoredTimingGroup(
            id: Int64(groups.count + 1), run: 1,
            group: timingGroup(of: rows[group...], context: context)))
      }
    }
    return ExperimentResults(
      experiment: ExperimentRecord(
        name: "example", question: "How much of the KV cache can go?", spec: "{}"),
      runs: [
        StoredRun(
          id: 1, experiment: "example", startedAt: "2026-07-29T10:00:00.000Z",
          endedAt: "2026-07-29T10:05:00.000Z", ending: .finished, provenance: provenance)
      ], rows: rows, timingGroups: groups,
      calibrations: [
        CalibrationRecord(
          identity: "77aa77aa77aa77aa", strategy: "tca", model: "smollm2-135m",
          modelDigest: "b179c9523d0e6a0f", corpus: "emma", corpusDigest: "e33ae33ae33ae33a",
          tokens: 2048, options: ["blockSize": 128, "criterion": "meanMass"], evidence: [:])
      ])
  }

  static func row(context: Int, task: String, strategy number: Int) -> ComparisonRow {
    let label = strategies[number]
    let taskProtocol = task == "perplexity" ? "prefill" : nil
    let place = "\(context)-\(task)"
    var parameters: JSONValue = [:]
    if number > 1 { parameters = ["blockSize": 128, "threshold": number == 2 ? 0.7 : 0.9] }
    let cell = CellRecord(
      identity: "\(place)-\(label)", model: "smollm2-135m", modelDigest: "b179c9523d0e6a0f",
      contextLength: context, strategy: String(label.split(separator: " ")[0]),
      strategyParameters: parameters, task: task, taskProtocol: taskProtocol,
      taskParameters: ["samples": 8, "scoredTokens": .integer(context / 2)], queryAware: true,
      selectionLooksAhead: number > 1, seed: 7)
    var row = ComparisonRow(
      planned: PlannedCell(cell: cell, label: label, fullIdentity: "\(place)-full"),
      kinds: [.approximation: 1, .quality: 1, .memory: 1, .latency: 1])
    row.units = units(context: context, task: task, strategy: number)
    row.heads = heads(strategy: number)
    row.kept = kept(context: context, strategy: number)
    row.figures = figures(context: context, task: task, strategy: number)
    return row
  }

  /// Error, kept share and loss of each strategy.
  private static let errors = [0, 0.24, 0.16, 0.08]
  private static let shares = [1, 0.25, 0.3, 0.45]
  private static let losses = [0, 0.05, 0.03, 0.01]

  private static func units(context: Int, task: String, strategy: Int) -> [ScoredUnit] {
    if task == "passkey" {
      return (0..<4).map { index in
        ScoredUnit(
          sample: index, index: 0, place: Double(index) / 3, tokens: 1,
          score: strategy == 0 || index > 4 - strategy ? 1 : 0, answer: " 1", expected: "1")
      }
    }
    return (0..<context / 64).map { index in
      let wave = Double(index % 5) - 2
      return ScoredUnit(
        sample: index, index: 0, place: Double(64 * index), tokens: 64,
        negativeLogLikelihood: 64 * (2.6 + wave / 20 + losses[strategy] * (1 + wave / 4)),
        logitKL: 64 * losses[strategy], topOneAgreements: 64 - 4 * strategy)
    }
  }

  private static func heads(strategy: Int) -> [HeadMeasurement] {
    guard strategy > 0 else { return [] }
    return (0..<6).map { index in
      let error = errors[strategy] * Double(index + 1) / 3.5
      return HeadMeasurement(
        setting: .isolated, phase: .prefill, layer: index / 3, queryHead: index % 3,
        relativeOutputError: error, worstQueryError: min(2, 5 * error), lastQueryError: error,
        outputCosine: 1 - error / 4, droppedMass: error / 2, droppedMassP95: error,
        droppedMassMaximum: min(1, 4 * error), boundRatio: 0.4 + error / 2,
        density: shares[strategy] + 0.1, nominalDensity: shares[strategy],
        retainedFraction: shares[strategy])
    }
  }

  /// The first and the last of the prompt, and between them every other part or fewer.
  private static func kept(context: Int, strategy: Int) -> [KeptTokens] {
    guard strategy > 0 else { return [] }
    return (0..<6).map { index in
      KeptTokens(
        layer: index / 3, kvHead: index % 3, promptTokens: context / 2,
        percentages: (0..<KeptTokens.parts).map { part in
          part == 0 || part > 40 ? 100 : part % (strategy + 1) == 0 ? 20 + 10 * index : 0
        })
    }
  }

  private static func figures(
    context: Int, task: String, strategy: Int
  ) -> [ComparisonColumn: Double] {
    let heads = heads(strategy: strategy)
    let bytes = Double(context) * 46_080 * shares[strategy]
    let fullBytes = Double(context) * 46_080
    var figures: [ComparisonColumn: Double] = [
      .density: strategy == 0 ? 1 : shares[strategy] + 0.1, .nominalDensity: shares[strategy],
      .retainedFraction: shares[strategy], .kvCacheResidentBytes: bytes,
      .kvCacheResidentBytesRatio: bytes / fullBytes, .finalKVCacheResidentBytes: bytes + 1_474_560,
      .kvCacheLogicalBytes: bytes, .workspaceBytes: 4_194_304, .peakResidentBytes: 3e8 + bytes,
      .peakResidentBytesRatio: (3e8 + bytes) / (3e8 + fullBytes), .repeatCount: 8,
      .timeToFirstTokenRatio: strategy == 0 ? 1 : timeShare(context, strategy),
      .timePerOutputTokenRatio: strategy == 0 ? 1 : 0.9,
    ]
    if !heads.isEmpty {
      let count = Double(heads.count)
      figures[.relativeOutputError] = heads.reduce(0) { $0 + $1.relativeOutputError } / count
      figures[.worstRelativeOutputError] = heads.map(\.worstQueryError).max()
      figures[.droppedMass] = heads.reduce(0) { $0 + ($1.droppedMass ?? 0) } / count
      figures[.worstDroppedMass] = heads.compactMap(\.droppedMassMaximum).max()
      figures[.outputCosine] = heads.reduce(0) { $0 + $1.outputCosine } / count
      figures[.boundRatio] = heads.compactMap(\.boundRatio).max()
    }
    if task == "passkey" {
      figures[.score] = strategy == 0 ? 1 : Double(strategy - 1) / 4
      figures[.sampleCount] = 4
      figures[.unitCount] = 4
    } else {
      figures[.perplexity] = 13.46 * (1 + losses[strategy])
      figures[.perplexityRatio] = 1 + losses[strategy]
      figures[.negativeLogLikelihood] = 2.6 + losses[strategy]
      figures[.logitKL] = losses[strategy]
      figures[.logitKLP95] = 4 * losses[strategy]
      figures[.topOneAgreement] = 1 - Double(strategy) / 16
      figures[.sampleCount] = Double(context / 64)
      figures[.unitCount] = Double(context / 64)
    }
    return figures
  }

  /// Slower at 512 tokens, faster at 2,048.
  private static func timeShare(_ context: Int, _ strategy: Int) -> Double {
    (context == 512 ? 1.1 : 0.8) - Double(strategy) / 100
  }

  private static func timingGroup(
    of rows: ArraySlice<ComparisonRow>, context: Int
  ) -> TimingGroup {
    var samples: [TimingSample] = []
    var controls: [TimingSample] = []
    for repetition in -1..<8 {
      for (place, row) in (Array(rows) + rows.prefix(1)).enumerated() {
        let isControl = place == rows.count
        let number = isControl ? 0 : place
        // The second run of full is faster in one round and slower in the next.
        let jitter = isControl ? Double(repetition % 2 == 0 ? 1 : -1) / 500 : 0
        let machine = 1 + Double((repetition + 1) * 3 % 4) / 50 + jitter
        let share = number == 0 ? 1 : timeShare(context, number) + Double(repetition) / 200
        let sample = TimingSample(
          identity: row.planned.cell.identity, repetition: max(0, repetition),
          isWarmup: repetition < 0, promptTokens: context, decodeTokens: 32,
          timeToFirstToken: Double(context) / 400 * machine * share,
          timePerOutputToken: 0.012 * machine * (number == 0 ? 1 : 0.9),
          attentionTime: Double(context) / 1600 * machine * shares[number],
          selectionTime: number == 0 ? 0 : 0.01, compactionTime: number == 0 ? 0 : 0.002,
          otherTime: Double(context) / 700 * machine,
          decodeAttentionTime: 0.004 * shares[number] * machine, decodeSelectionTime: 0,
          decodeCompactionTime: number == 0 ? 0 : 0.0001, decodeOtherTime: 0.008 * machine)
        if isControl { controls.append(sample) } else { samples.append(sample) }
      }
    }
    return TimingGroup(threads: 2, samples: samples, controls: controls)
  }
}
