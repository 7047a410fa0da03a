/// The figures of the database's `comparison` view, one case a column, with what a reader must know of each.
///
/// The raw value is the column's name: the measurement's name in snake case, with `worst_`, `propagated_`, `decode_` in
/// front or `_ratio` behind. Without a prefix, approximation figures are `isolated`, of the prefill, and means over
/// samples, layers and query heads. A row has no value where a figure was not asked for or does not exist.
public enum ComparisonColumn: String, Codable, Sendable, Hashable, CaseIterable {
  case relativeOutputError = "relative_output_error"
  case worstRelativeOutputError = "worst_relative_output_error"
  case droppedMass = "dropped_mass"
  case worstDroppedMass = "worst_dropped_mass"
  case outputCosine = "output_cosine"
  case worstOutputCosine = "worst_output_cosine"
  case propagatedRelativeOutputError = "propagated_relative_output_error"
  case propagatedWorstRelativeOutputError = "propagated_worst_relative_output_error"
  case propagatedDroppedMass = "propagated_dropped_mass"
  case propagatedWorstDroppedMass = "propagated_worst_dropped_mass"
  case propagatedOutputCosine = "propagated_output_cosine"
  case propagatedWorstOutputCosine = "propagated_worst_output_cosine"
  case decodeRelativeOutputError = "decode_relative_output_error"
  case decodeWorstRelativeOutputError = "decode_worst_relative_output_error"
  case decodeDroppedMass = "decode_dropped_mass"
  case decodeWorstDroppedMass = "decode_worst_dropped_mass"
  case decodeOutputCosine = "decode_output_cosine"
  case decodeWorstOutputCosine = "decode_worst_output_cosine"
  case propagatedDecodeRelativeOutputError = "propagated_decode_relative_output_error"
  case propagatedDecodeWorstRelativeOutputError = "propagated_decode_worst_relative_output_error"
  case propagatedDecodeDroppedMass = "propagated_decode_dropped_mass"
  case propagatedDecodeWorstDroppedMass = "propagated_decode_worst_dropped_mass"
  case propagatedDecodeOutputCosine = "propagated_decode_output_cosine"
  case propagatedDecodeWorstOutputCosine = "propagated_decode_worst_output_cosine"
  case boundRatio = "bound_ratio"

  case density
  case nominalDensity = "nominal_density"
  case retainedFraction = "retained_fraction"
  case decodeDensity = "decode_density"
  case decodeNominalDensity = "decode_nominal_density"
  case decodeRetainedFraction = "decode_retained_fraction"

  case kvCacheResidentBytes = "kv_cache_resident_bytes"
  case finalKVCacheResidentBytes = "final_kv_cache_resident_bytes"
  case kvCacheLogicalBytes = "kv_cache_logical_bytes"
  case finalKVCacheLogicalBytes = "final_kv_cache_logical_bytes"
  case meanKVCacheResidentBytes = "mean_kv_cache_resident_bytes"
  case meanKVCacheLogicalBytes = "mean_kv_cache_logical_bytes"
  case peakKVCacheResidentBytes = "peak_kv_cache_resident_bytes"
  case peakKVCacheLogicalBytes = "peak_kv_cache_logical_bytes"
  case globalMeanKVCacheResidentBytes = "global_mean_kv_cache_resident_bytes"
  case globalMeanKVCacheLogicalBytes = "global_mean_kv_cache_logical_bytes"
  case matchedKVCacheBytes = "matched_kv_cache_bytes"
  case windowKVCacheResidentBytes = "window_kv_cache_resident_bytes"
  case workspaceBytes = "workspace_bytes"
  case peakResidentBytes = "peak_resident_bytes"
  case kvCacheResidentBytesRatio = "kv_cache_resident_bytes_ratio"
  case finalKVCacheResidentBytesRatio = "final_kv_cache_resident_bytes_ratio"
  case kvCacheLogicalBytesRatio = "kv_cache_logical_bytes_ratio"
  case meanKVCacheResidentBytesRatio = "mean_kv_cache_resident_bytes_ratio"
  case peakKVCacheResidentBytesRatio = "peak_kv_cache_resident_bytes_ratio"
  case globalMeanKVCacheResidentBytesRatio = "global_mean_kv_cache_resident_bytes_ratio"
  case globalMeanKVCacheLogicalBytesRatio = "global_mean_kv_cache_logical_bytes_ratio"
  case workspaceBytesRatio = "workspace_bytes_ratio"
  case peakResidentBytesRatio = "peak_resident_bytes_ratio"

  case perplexity
  case perplexityRatio = "perplexity_ratio"
  case perplexityRatioLow = "perplexity_ratio_low"
  case perplexityRatioHigh = "perplexity_ratio_high"
  case negativeLogLikelihood = "negative_log_likelihood"
  case logitKL = "logit_kl"
  case logitKLP95 = "logit_kl_p95"
  case topOneAgreement = "top_one_agreement"
  case score
  case chanceLevel = "chance_level"
  case lostAnswerTokens = "lost_answer_tokens"

  case timeToFirstToken = "time_to_first_token"
  case timePerOutputToken = "time_per_output_token"
  case attentionTime = "attention_time"
  case selectionTime = "selection_time"
  case attentionAndSelectionTime = "attention_and_selection_time"
  case compactionTime = "compaction_time"
  case otherTime = "other_time"
  case decodeAttentionTime = "decode_attention_time"
  case decodeSelectionTime = "decode_selection_time"
  case decodeCompactionTime = "decode_compaction_time"
  case decodeOtherTime = "decode_other_time"
  case prefillTokensPerSecond = "prefill_tokens_per_second"
  case decodeTokensPerSecond = "decode_tokens_per_second"
  case timeToFirstTokenRatio = "time_to_first_token_ratio"
  case timePerOutputTokenRatio = "time_per_output_token_ratio"
  case attentionTimeRatio = "attention_time_ratio"
  case selectionTimeRatio = "selection_time_ratio"
  case attentionAndSelectionTimeRatio = "attention_and_selection_time_ratio"
  case compactionTimeRatio = "compaction_time_ratio"
  case otherTimeRatio = "other_time_ratio"
  case decodeAttentionTimeRatio = "decode_attention_time_ratio"

  case clusters
  case sampleCount = "sample_count"
  case unitCount = "unit_count"
  case repeatCount = "repeat_count"
}

/// Which way a figure is better.
public enum Polarity: String, Codable, Sendable, Hashable {
  case lower, higher, neither

  /// The arrow behind a heading; empty for `neither`.
  public var arrow: String {
    switch self {
    case .lower: "↓"
    case .higher: "↑"
    case .neither: ""
    }
  }
}

extension ComparisonColumn {
  /// The name under which a run stores the figure as a ``Measurement`` (`statistic` `value` or `mean`; `p95` for
  /// ``logitKLP95``), or nil for the columns that the view works out from heads, units, timings and ratios.
  public var measurementName: String? {
    switch self {
    case .density: "density"
    case .nominalDensity: "nominalDensity"
    case .retainedFraction: "retainedFraction"
    case .kvCacheResidentBytes: "kvCacheResidentBytes"
    case .finalKVCacheResidentBytes: "finalKVCacheResidentBytes"
    case .kvCacheLogicalBytes: "kvCacheLogicalBytes"
    case .finalKVCacheLogicalBytes: "finalKVCacheLogicalBytes"
    case .meanKVCacheResidentBytes: "meanKVCacheResidentBytes"
    case .meanKVCacheLogicalBytes: "meanKVCacheLogicalBytes"
    case .peakKVCacheResidentBytes: "peakKVCacheResidentBytes"
    case .peakKVCacheLogicalBytes: "peakKVCacheLogicalBytes"
    case .globalMeanKVCacheResidentBytes: "globalMeanKVCacheResidentBytes"
    case .globalMeanKVCacheLogicalBytes: "globalMeanKVCacheLogicalBytes"
    case .matchedKVCacheBytes: "matchedKVCacheBytes"
    case .windowKVCacheResidentBytes: "windowKVCacheResidentBytes"
    case .workspaceBytes: "workspaceBytes"
    case .peakResidentBytes: "peakResidentBytes"
    case .perplexity: "perplexity"
    case .negativeLogLikelihood: "negativeLogLikelihood"
    case .logitKL, .logitKLP95: "logitKL"
    case .topOneAgreement: "topOneAgreement"
    case .score: "score"
    case .chanceLevel: "chanceLevel"
    case .lostAnswerTokens: "lostAnswerTokens"
    default: nil
    }
  }

  /// A figure over that of the full cell.
  public var isRatio: Bool { rawValue.hasSuffix("_ratio") && self != .boundRatio }

  /// The metric that the column shows; nil for counts and for `attention_and_selection_time`, a sum of two.
  public var metric: MetricDescriptor? {
    var name = rawValue
    for prefix in ["propagated_", "decode_", "worst_"] where name.hasPrefix(prefix) {
      // `decode_attention_time` and its like are metrics of their own.
      if Self.metrics[name] == nil { name.removeFirst(prefix.count) }
    }
    for suffix in ["_low", "_high", "_ratio", "_p95"]
    where name.hasSuffix(suffix) && Self.metrics[name] == nil {
      name.removeLast(suffix.count)
    }
    return Self.metrics[name]
  }

  /// As in ``MetricDescriptor/unit``; `ratio` and `count` for those columns.
  public var unit: String {
    if isRatio { return "ratio" }
    switch self {
    case .perplexityRatioLow, .perplexityRatioHigh: return "ratio"
    case .clusters, .sampleCount, .unitCount, .repeatCount: return "count"
    default: return metric?.unit ?? "seconds"
    }
  }

  public var polarity: Polarity {
    switch self {
    case .clusters, .sampleCount, .unitCount, .repeatCount: .neither
    default: metric?.polarity ?? .lower
    }
  }

  private static let metrics = Dictionary(
    uniqueKeysWithValues: MetricCatalogue.all.map { (snakeCase($0.name), $0) })

  /// `finalKVCacheResidentBytes` is `final_kv_cache_resident_bytes`, `logitKL` is `logit_kl`.
  private static func snakeCase(_ name: String) -> String {
    let letters = Array(name)
    var text = ""
    for (index, letter) in letters.enumerated() {
      let startsWord =
        letter.isUppercase && index > 0
        && (!letters[index - 1].isUppercase
          || (index + 1 < letters.count && letters[index + 1].isLowercase))
      text += (startsWord ? "_" : "") + letter.lowercased()
    }
    return text
  }
}
