/// Which output goes on to the next layer while errors are measured.
public enum ErrorSetting: String, Codable, Sendable, Hashable, CaseIterable {
  /// The dense one: each layer's error stands alone.
  case isolated
  /// The sparse one: errors build up as they do in use.
  case propagated
}

public enum MeasuredPhase: String, Codable, Sendable, Hashable, CaseIterable {
  case prefill, decode
}

/// One figure of a cell.
public struct Measurement: Codable, Sendable, Hashable {
  /// A name of the measurement catalogue in camel case, such as `perplexity` or `relativeOutputError`.
  public var name: String
  /// How it was summed up: `mean`, `worst`, `p95`, `maximum`, `value` …
  public var statistic: String
  public var setting: ErrorSetting?
  public var phase: MeasuredPhase?
  /// Nil where the figure does not exist (a bound ratio without a query that drops mass).
  public var value: Double?
  /// `nats`, `bytes`, `fraction`, `seconds`, `tokens/s` …
  public var unit: String

  public init(
    _ name: String, _ statistic: String = "value", setting: ErrorSetting? = nil,
    phase: MeasuredPhase? = nil, value: Double?, unit: String
  ) {
    self.name = name
    self.statistic = statistic
    self.setting = setting
    self.phase = phase
    self.value = value
    self.unit = unit
  }
}

/// The approximation error of one query head in one layer, over all samples of a cell.
///
/// Definitions: `docs/measurement.md`. Nil where a figure does not exist for the strategy.
public struct HeadMeasurement: Codable, Sendable, Hashable {
  public var setting: ErrorSetting
  public var phase: MeasuredPhase
  public var layer: Int
  public var queryHead: Int
  /// ‖Ô−O‖_F / ‖O‖_F over all queries, averaged over samples; the worst single query; the last query.
  public var relativeOutputError: Double
  public var worstQueryError: Double
  public var lastQueryError: Double
  /// Mean over queries of cos(Ô_i, O_i).
  public var outputCosine: Double
  /// γ over queries.
  public var droppedMass: Double?
  public var droppedMassP95: Double?
  public var droppedMassMaximum: Double?
  /// Maximum over queries with γ ≥ 1e-4.
  public var boundRatio: Double?
  /// Computed and selected pairs over causal pairs.
  public var density: Double
  public var nominalDensity: Double
  /// Tokens that the head's KV head holds over tokens seen, at the end of the phase (after compaction).
  public var retainedFraction: Double

  public init(
    setting: ErrorSetting, phase: MeasuredPhase, layer: Int, queryHead: Int,
    relativeOutputError: Double, worstQueryError: Double, lastQueryError: Double,
    outputCosine: Double, droppedMass: Double?, droppedMassP95: Double?,
    droppedMassMaximum: Double?, boundRatio: Double?, density: Double, nominalDensity: Double,
    retainedFraction: Double
  ) {
    self.setting = setting
    self.phase = phase
    self.layer = layer
    self.queryHead = queryHead
    self.relativeOutputError = relativeOutputError
    self.worstQueryError = worstQueryError
    self.lastQueryError = lastQueryError
    self.outputCosine = outputCosine
    self.droppedMass = droppedMass
    self.droppedMassP95 = droppedMassP95
    self.droppedMassMaximum = droppedMassMaximum
    self.boundRatio = boundRatio
    self.density = density
    self.nominalDensity = nominalDensity
    self.retainedFraction = retainedFraction
  }
}

extension HeadMeasurement {
  /// Whether a model can have such a head: maps have a row for each layer and a column for each head up to the largest.
  public var isSound: Bool { Self.places ~= layer && Self.places ~= queryHead }

  /// More layers, or heads in one, no model has.
  private static let places = 0..<1024
}

/// The unit of storage: a segment of 64 consecutive scored tokens, or a prompt of a task.
///
/// Sums are stored, so that any two strategies can be paired later. Statistics count samples, not units: segments of one
/// window are like each other.
public struct ScoredUnit: Codable, Sendable, Hashable {
  /// The sample it belongs to (a window of a text, or a prompt), 0-based, and its place in it.
  public var sample: Int
  public var index: Int
  /// Where it is: the first scored token's position, or the needle's depth.
  public var place: Double
  /// Tokens of a segment; 1 for a prompt.
  public var tokens: Int
  /// Sums over the tokens, in nats; nil for a prompt.
  public var negativeLogLikelihood: Double?
  public var logitKL: Double?
  /// Tokens whose most likely next token is the dense run's.
  public var topOneAgreements: Int?
  /// A task's score in 0…1.
  public var score: Double?
  /// What the model wrote, and what was asked for.
  public var answer: String?
  public var expected: String?

  public init(
    sample: Int, index: Int, place: Double, tokens: Int, negativeLogLikelihood: Double? = nil,
    logitKL: Double? = nil, topOneAgreements: Int? = nil, score: Double? = nil,
    answer: String? = nil, expected: String? = nil
  ) {
    self.sample = sample
    self.index = index
    self.place = place
    self.tokens = tokens
    self.negativeLogLikelihood = negativeLogLikelihood
    self.logitKL = logitKL
    self.topOneAgreements = topOneAgreements
    self.score = score
    self.answer = answer
    self.expected = expected
  }
}

extension ScoredUnit {
  /// Whether a text or a list of questions can have such a unit: 32 bits, so that sums over those of a file have room.
  public var isSound: Bool {
    let most = Int(Int32.max)
    return 0...most ~= sample && 0...most ~= index && 1...most ~= tokens
      && topOneAgreements.map { 0...tokens ~= $0 } ?? true
  }
}

/// Everything that one run found out about one cell besides latency.
public struct CellResults: Codable, Sendable, Hashable {
  public var identity: String
  /// The kinds that these figures complete.
  public var kinds: Set<ResultKind>
  public var measurements: [Measurement]
  public var heads: [HeadMeasurement]
  public var units: [ScoredUnit]
  /// By layer and KV head; empty where everything is kept.
  public var kept: [KeptTokens]

  public init(
    identity: String, kinds: Set<ResultKind>, measurements: [Measurement] = [],
    heads: [HeadMeasurement] = [], units: [ScoredUnit] = [], kept: [KeptTokens] = []
  ) {
    self.identity = identity
    self.kinds = kinds
    self.measurements = measurements
    self.heads = heads
    self.units = units
    self.kept = kept
  }
}

/// `full`, the strategies of one model x context length x task, and `full` again: each round times them all, in an order
/// of its own, on one machine.
///
/// Ratios are formed inside a group only.
public struct TimingGroup: Codable, Sendable, Hashable {
  public var threads: Int
  public var samples: [TimingSample]
  /// The second run of `full` in each round: what a ratio of equal times looks like on this machine.
  public var controls: [TimingSample]
  /// Figures that come with timing, such as `peakResidentBytes` and `workspaceBytes`, by cell.
  public var measurements: [String: [Measurement]]

  public init(
    threads: Int, samples: [TimingSample], controls: [TimingSample] = [],
    measurements: [String: [Measurement]] = [:]
  ) {
    self.threads = threads
    self.samples = samples
    self.controls = controls
    self.measurements = measurements
  }
}

/// One timed run of one cell. All times in seconds; stages do not overlap.
public struct TimingSample: Codable, Sendable, Hashable {
  public var identity: String
  /// 0-based; warm-ups come first and are marked.
  public var repetition: Int
  public var isWarmup: Bool
  /// Prompt tokens and decode steps behind the figures.
  public var promptTokens: Int
  public var decodeTokens: Int
  public var timeToFirstToken: Double
  /// Median of the decode steps; nil without any.
  public var timePerOutputToken: Double?
  /// Of the whole prefill.
  public var attentionTime: Double
  public var selectionTime: Double
  public var compactionTime: Double
  public var otherTime: Double
  /// Per decode token; nil without any.
  public var decodeAttentionTime: Double?
  public var decodeSelectionTime: Double?
  public var decodeCompactionTime: Double?
  public var decodeOtherTime: Double?

  public init(
    identity: String, repetition: Int, isWarmup: Bool, promptTokens: Int, decodeTokens: Int,
    timeToFirstToken: Double, timePerOutputToken: Double?, attentionTime: Double,
    selectionTime: Double, compactionTime: Double, otherTime: Double,
    decodeAttentionTime: Double?, decodeSelectionTime: Double?, decodeCompactionTime: Double?,
    decodeOtherTime: Double?
  ) {
    self.identity = identity
    self.repetition = repetition
    self.isWarmup = isWarmup
    self.promptTokens = promptTokens
    self.decodeTokens = decodeTokens
    self.timeToFirstToken = timeToFirstToken
    self.timePerOutputToken = timePerOutputToken
    self.attentionTime = attentionTime
    self.selectionTime = selectionTime
    self.compactionTime = compactionTime
    self.otherTime = otherTime
    self.decodeAttentionTime = decodeAttentionTime
    self.decodeSelectionTime = decodeSelectionTime
    self.decodeCompactionTime = decodeCompactionTime
    self.decodeOtherTime = decodeOtherTime
  }
}
