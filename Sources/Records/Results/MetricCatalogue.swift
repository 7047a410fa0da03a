/// What a measured name means: unit, direction and definition, as data for reports, listings and the documentation.
public struct MetricDescriptor: Codable, Sendable, Hashable {
  /// One way in which a figure is summed up.
  public struct Statistic: Codable, Sendable, Hashable {
    public var name: String
    public var definition: String

    public init(_ name: String, _ definition: String) {
      self.name = name
      self.definition = definition
    }
  }

  /// The name in measurements; in snake case a column of the database's views.
  public var name: String
  /// `nats`, `bytes`, `fraction`, `seconds`, `tokens/s`, or empty for a plain ratio.
  public var unit: String
  public var polarity: Polarity
  /// The kind of result that it belongs to.
  public var kind: ResultKind
  public var definition: String
  /// The first one is what a table shows.
  public var statistics: [Statistic]

  public init(
    _ name: String, unit: String, _ polarity: Polarity, kind: ResultKind, _ definition: String,
    statistics: [Statistic]
  ) {
    self.name = name
    self.unit = unit
    self.polarity = polarity
    self.kind = kind
    self.definition = definition
    self.statistics = statistics
  }

  /// A measurement of this metric.
  public func measurement(
    _ statistic: String, setting: ErrorSetting? = nil, phase: MeasuredPhase? = nil, value: Double?
  ) -> Measurement {
    Measurement(name, statistic, setting: setting, phase: phase, value: value, unit: unit)
  }
}

/// Every figure that this program measures; `docs/measurement.md` explains them at length.
public enum MetricCatalogue {
  public static let all: [MetricDescriptor] = approximation + quality + latency + memory

  /// The descriptor of a measured name; nil if nothing of that name is measured.
  public static func descriptor(named name: String) -> MetricDescriptor? { byName[name] }

  private static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })

  private static let value = [MetricDescriptor.Statistic("value", "the figure itself")]

  // MARK: Approximation

  public static let relativeOutputError = MetricDescriptor(
    "relativeOutputError", unit: "", .lower, kind: .approximation,
    "‖Ô−O‖_F / ‖O‖_F of a head's attention output over all queries, Ô sparse, O dense on the same queries, keys and values",
    statistics: [
      .init("mean", "mean over samples, layers and query heads"),
      .init("worst", "largest error of a single query"),
      .init("lastQuery", "error of the last query, mean over samples, layers and query heads"),
    ])

  public static let outputCosine = MetricDescriptor(
    "outputCosine", unit: "", .higher, kind: .approximation,
    "cosine of the angle between the sparse and the dense attention output of a query",
    statistics: [
      .init("mean", "mean over queries, samples, layers and query heads"),
      .init("worst", "lowest mean of a query head"),
    ])

  public static let droppedMass = MetricDescriptor(
    "droppedMass", unit: "fraction", .lower, kind: .approximation,
    "γ = 1 − exp(lse_sparse − lse_full): the dense attention mass of a query outside the keys that it attended to; null where the logits are not the dense ones",
    statistics: [
      .init("mean", "mean over queries, samples, layers and query heads"),
      .init("p95", "95 % quantile over a query head's queries, mean over layers and query heads"),
      .init("worst", "largest value of a single query"),
    ])

  public static let boundRatio = MetricDescriptor(
    "boundRatio", unit: "", .neither, kind: .approximation,
    "‖Ô_i−O_i‖₁ / (2 γ_i M), M = max over j ≤ i of ‖v_j‖₁: the output error of a query as a share of what its dropped mass allows; at most 1",
    statistics: [.init("maximum", "largest over all queries with γ ≥ 1e-4; null if there is none")])

  public static let density = MetricDescriptor(
    "density", unit: "fraction", .lower, kind: .approximation,
    "query-key pairs that the kernel computed, masked halves of tiles included, over causal pairs; above 1 where masked halves outweigh what was left out",
    statistics: [.init("mean", "mean over samples, layers and query heads")])

  public static let nominalDensity = MetricDescriptor(
    "nominalDensity", unit: "fraction", .lower, kind: .approximation,
    "query-key pairs that the selections show, over causal pairs",
    statistics: [.init("mean", "mean over samples, layers and query heads")])

  public static let retainedFraction = MetricDescriptor(
    "retainedFraction", unit: "fraction", .lower, kind: .approximation,
    "tokens kept in the KV cache at the end of the phase, after compaction, over tokens seen",
    statistics: [.init("mean", "mean over samples, global layers and KV heads")])

  static let approximation = [
    relativeOutputError, outputCosine, droppedMass, boundRatio, density, nominalDensity,
    retainedFraction,
  ]

  // MARK: Quality

  public static let negativeLogLikelihood = MetricDescriptor(
    "negativeLogLikelihood", unit: "nats", .lower, kind: .quality,
    "−ln of the probability that the model gave to the token that follows",
    statistics: [.init("mean", "mean over all scored tokens of all samples")])

  public static let perplexity = MetricDescriptor(
    "perplexity", unit: "", .lower, kind: .quality,
    "exp of the mean negative log-likelihood over all scored tokens of all samples",
    statistics: value)

  public static let logitKL = MetricDescriptor(
    "logitKL", unit: "nats", .lower, kind: .quality,
    "KL(full ‖ sparse) of the next-token distributions: 0 where the dense run predicts the same",
    statistics: [
      .init("mean", "mean over all scored tokens of all samples"),
      .init("p95", "95 % quantile over all scored tokens of all samples"),
    ])

  public static let topOneAgreement = MetricDescriptor(
    "topOneAgreement", unit: "fraction", .higher, kind: .quality,
    "share of scored tokens for which the most likely next token is the dense run's",
    statistics: [.init("mean", "over all scored tokens of all samples")])

  public static let score = MetricDescriptor(
    "score", unit: "fraction", .higher, kind: .quality,
    "the task's own score in 0…1: for passkey the share of prompts whose key was written out",
    statistics: [.init("mean", "mean over the task's prompts")])

  public static let chanceLevel = MetricDescriptor(
    "chanceLevel", unit: "fraction", .neither, kind: .quality,
    "the score of somebody who guesses, as the task says",
    statistics: [.init("mean", "mean over the task's prompts")])

  public static let lostAnswerTokens = MetricDescriptor(
    "lostAnswerTokens", unit: "fraction", .lower, kind: .quality,
    "the share of a needle's answer tokens in the prompt that no KV head of any global layer holds any more when the answer begins",
    statistics: [.init("mean", "mean over the task's questions")])

  static let quality = [
    negativeLogLikelihood, perplexity, logitKL, topOneAgreement, score, chanceLevel,
    lostAnswerTokens,
  ]

  // MARK: Latency

  private static func time(_ name: String, _ definition: String) -> MetricDescriptor {
    MetricDescriptor(
      name, unit: "seconds", .lower, kind: .latency, definition,
      statistics: [
        .init("median", "median over the counted repeats of a timing group"),
        .init("q1", "first quartile over the repeats"),
        .init("q3", "third quartile over the repeats"),
      ])
  }

  private static func rate(_ name: String, _ definition: String) -> MetricDescriptor {
    MetricDescriptor(
      name, unit: "tokens/s", .higher, kind: .latency, definition,
      statistics: [.init("median", "median over the counted repeats of a timing group")])
  }

  public static let othersCoreShare = MetricDescriptor(
    "othersCoreShare", unit: "fraction", .lower, kind: .latency,
    "what other processes took of the time of the cores while the cell's timing group ran; absent for groups of less than half a second",
    statistics: value)

  /// Above it a timing group counts as disturbed.
  public static let undisturbedShare = 0.05

  static let latency = [
    time(
      "timeToFirstToken", "prefill with selection, compaction and the logits of the last token"),
    time("timePerOutputToken", "median time of a greedy decode step after the prefill"),
    time("attentionTime", "attention over the selected keys, over all layers of the prefill"),
    time("selectionTime", "choosing what queries attend to, over all layers of the prefill"),
    time("compactionTime", "choosing what the KV cache keeps and moving it, in the prefill"),
    time("otherTime", "everything else of the prefill: matrix products, norms, cache writes"),
    time("decodeAttentionTime", "attention per decode token"),
    time("decodeSelectionTime", "selection per decode token"),
    time("decodeCompactionTime", "compaction per decode token"),
    time("decodeOtherTime", "everything else per decode token"),
    rate("prefillTokensPerSecond", "prompt tokens over timeToFirstToken"),
    rate("decodeTokensPerSecond", "1 over timePerOutputToken"), othersCoreShare,
  ]

  // MARK: Memory

  private static func bytes(
    _ name: String, _ definition: String, statistics: [MetricDescriptor.Statistic]? = nil
  ) -> MetricDescriptor {
    MetricDescriptor(
      name, unit: "bytes", .lower, kind: .memory, definition,
      statistics: statistics ?? value)
  }

  public static let kvCacheResidentBytes = bytes(
    "kvCacheResidentBytes",
    "memory allocated for keys, values and token positions, over layers and KV heads, after the prefill and its compaction"
  )

  public static let kvCacheLogicalBytes = bytes(
    "kvCacheLogicalBytes",
    "tokens kept x 2 x head dimension x element size, over layers and KV heads, after the prefill and its compaction"
  )

  public static let finalKVCacheResidentBytes = bytes(
    "finalKVCacheResidentBytes", "kvCacheResidentBytes at the end of the cell")

  public static let finalKVCacheLogicalBytes = bytes(
    "finalKVCacheLogicalBytes", "kvCacheLogicalBytes at the end of the cell")

  public static let meanKVCacheResidentBytes = bytes(
    "meanKVCacheResidentBytes",
    "kvCacheResidentBytes while a decoded token attends, its own bytes included, mean over decode steps; absent without any"
  )

  public static let meanKVCacheLogicalBytes = bytes(
    "meanKVCacheLogicalBytes", "kvCacheLogicalBytes, mean over decode steps; absent without any")

  public static let peakKVCacheResidentBytes = bytes(
    "peakKVCacheResidentBytes",
    "the most that is allocated at any time, while the prompt goes through the layers included: the layer at work holds all of it"
  )

  public static let peakKVCacheLogicalBytes = bytes(
    "peakKVCacheLogicalBytes", "the same of kvCacheLogicalBytes")

  public static let globalMeanKVCacheResidentBytes = bytes(
    "globalMeanKVCacheResidentBytes",
    "the part of meanKVCacheResidentBytes that layers without a window of their own take")

  public static let globalMeanKVCacheLogicalBytes = bytes(
    "globalMeanKVCacheLogicalBytes",
    "the part of meanKVCacheLogicalBytes that layers without a window of their own take: what budgets of meanKvBytes match"
  )

  public static let decodeSteps = MetricDescriptor(
    "decodeSteps", unit: "tokens", .neither, kind: .memory,
    "tokens decoded after the prompt: those that means over decode steps are over",
    statistics: [.init("mean", "mean over samples")])

  public static let matchedKVCacheBytes = bytes(
    "matchedKVCacheBytes",
    "the globalMeanKVCacheLogicalBytes that a budget of meanKvBytes asks for",
    statistics: [
      .init("value", "the figure itself"),
      .init("least", "the least that the method can reach, where that is more"),
    ])

  public static let matchStatus = MetricDescriptor(
    "matchStatus", unit: "", .neither, kind: .memory,
    "how globalMeanKVCacheLogicalBytes stands to matchedKVCacheBytes: 0 matched (within 1 %), 1 capped (everything is kept, and that is less), 2 infeasible (the least that the method can reach is more), 3 missed (no budget comes nearer, or it depends on the samples)",
    statistics: value)

  public static let windowKVCacheResidentBytes = bytes(
    "windowKVCacheResidentBytes",
    "the part of kvCacheResidentBytes that layers with a window of their own take; absent where there are none"
  )

  public static let workspaceBytes = bytes(
    "workspaceBytes", "scratch memory of kernels and strategy")

  public static let peakResidentBytes = bytes(
    "peakResidentBytes",
    "the process's high-water mark of resident memory for the cell, mapped model pages included",
    statistics: [
      .init("value", "the mark at the end of the cell"),
      .init("start", "resident memory when the mark was reset, before the cell"),
    ])

  public static let keptTokens = MetricDescriptor(
    "keptTokens", unit: "tokens", .lower, kind: .memory,
    "tokens that a KV head holds after the prefill and its compaction",
    statistics: [.init("mean", "mean over samples, global layers and KV heads")])

  static let memory = [
    kvCacheResidentBytes, kvCacheLogicalBytes, finalKVCacheResidentBytes,
    finalKVCacheLogicalBytes, meanKVCacheResidentBytes, meanKVCacheLogicalBytes,
    peakKVCacheResidentBytes, peakKVCacheLogicalBytes, globalMeanKVCacheResidentBytes,
    globalMeanKVCacheLogicalBytes, decodeSteps, matchedKVCacheBytes, matchStatus,
    windowKVCacheResidentBytes, workspaceBytes, peakResidentBytes, keptTokens,
  ]
}
