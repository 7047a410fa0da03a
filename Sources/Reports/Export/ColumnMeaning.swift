import Records

/// What a column of a data table holds.
struct ColumnMeaning: Hashable {
  /// Empty for names, plain ratios and JSON.
  var unit: String
  var text: String

  init(_ unit: String, _ text: String) {
    self.unit = unit
    self.text = text
  }
}

extension ColumnMeaning {
  /// By what the table says of it, else by what the name means in every table, else as a figure of the comparison.
  ///
  /// Nil for a column that nobody described; a test holds every column of every table against that.
  static func of(_ column: String, in table: String) -> ColumnMeaning? {
    own[table]?[column] ?? common[column]
      ?? ComparisonColumn(rawValue: column).map { ColumnMeaning($0.unit, $0.meaning) }
  }

  /// One sentence for each table.
  static let tables: [String: String] = [
    "comparison":
      "A row for each cell of the experiment, with every figure: the database's view of that name.",
    "quality_difference":
      "A row for each cell but full's: how its quality differs from full's on the same windows or prompts.",
    "pooled_difference":
      "The same over several texts, or tasks of a family, together: a row for each strategy.",
    "primary_contrast":
      "The contrasts that the spec names as primary, corrected for their number by Holm's method.",
    "time_ratio":
      "Ratios of times to full in the same rounds; of full itself those of its second run to its first.",
    "head_summary": "Errors of each query head of each layer.",
    "cluster":
      "What every interval of quality is worked out from: a row for each window of a text or prompt.",
    "unit": "A row for each segment of 64 scored tokens, or each prompt with its answer.",
    "timing": "Every timed repetition, warm-ups included.",
    "run": "Where figures come from: a row for each run, with program, machine and libraries.",
  ]

  /// Names that mean the same wherever they stand.
  private static let common: [String: ColumnMeaning] = [
    "experiment": .init("", "the experiment's name"),
    "model": .init("", "the name that the experiment gives the model"),
    "context_length": .init("tokens", "all that the model sees"),
    "strategy": .init(
      "", "the strategy's label: its name, and what distinguishes it in the experiment"),
    "task": .init("", "the task's name"),
    "protocol": .init(
      "",
      "prefill: the whole window at once; continuation: scored tokens are decoded after a prompt"),
    "query_aware": .init("0 or 1", "1: the selection was made with the question in sight"),
    "cache": .init("", "the format of the KV cache; keys and values with a stroke between them"),
    "task_label": .init("", "the task with its protocol and what tells it from others of its name"),
    "cell": .init("", "the identity of the cell: a digest of all that decides its results"),
    "figure": .init(
      "",
      "what differs: negativeLogLikelihood in nats a token (lower is better) or score (higher is)"),
    "full": .init("see figure", "full attention's value, the mean over the clusters"),
    "strategy_value": .init("see figure", "the strategy's value, the mean over the clusters"),
    "difference": .init("see figure", "strategy minus full, or B minus A"),
    "difference_low": .init(
      "see figure", "low end of the 95 % interval; empty where there is none"),
    "difference_high": .init("see figure", "high end of the 95 % interval"),
    "p_value": .init(
      "", "of Student's t on windows or texts; of scores McNemar's exact test, or sign flips"),
    "cluster_kind": .init("", "what clusters are, and so what the interval generalises over"),
    "clusters_up": .init("count", "clusters whose difference is above 0"),
    "clusters_down": .init("count", "clusters whose difference is below 0"),
    "clusters_same": .init("count", "clusters without any difference"),
    "tasks": .init("", "the texts or tasks that are taken together"),
    "task_labels": .init("JSON", "their labels, as in task_label"),
    "run": .init("", "the number of the run in its database"),
    "threads": .init("count", "threads that the run used"),
  ]

  /// By table, then by column.
  private static let own: [String: [String: ColumnMeaning]] = [
    "comparison": [
      "match_status": .init(
        "",
        "how the mean bytes stand to what a budget asks for: matched, capped, infeasible or missed"),
      "strategy_name": .init("", "the strategy's name alone"),
      "strategy_parameters": .init("JSON", "all parameters of the strategy"),
      "task_parameters": .init("JSON", "all parameters of the task"),
      "selection_looks_ahead": .init(
        "0 or 1", "1: later prompt tokens choose what earlier queries see"),
      "acts_later": .init(
        "0 or 1",
        "1: quality was measured on the prompt, of which the strategy or a part of it leaves nothing out: it says nothing of its bytes"
      ),
      "full_cell": .init("", "the identity of the dense cell that it is compared with"),
      "failure": .init("", "why the cell failed; empty where it did not"),
    ],
    "pooled_difference": [
      "worst": .init("", "the text or task at which the strategy loses most"),
      "worst_difference": .init("see figure", "the difference to full there"),
      "reference": .init("", "the strategy that it is held to"),
      "reference_difference": .init("see figure", "strategy minus that one"),
      "reference_difference_low": .init("see figure", "low end of the 95 % interval"),
      "reference_difference_high": .init("see figure", "high end of the 95 % interval"),
    ],
    "primary_contrast": [
      "a": .init("", "the label of A"), "b": .init("", "the label of B"),
      "a_value": .init("see figure", "A's value, the mean over the clusters"),
      "b_value": .init("see figure", "B's value, the mean over the clusters"),
      "corrected_low": .init(
        "see figure", "low end of the interval at the level of the correction"),
      "corrected_high": .init("see figure", "high end of it"),
      "corrected_p_value": .init("", "p_value, corrected for the number of contrasts"),
      "better": .init("", "A, B, not decided or not known"),
    ],
    "time_ratio": [
      "figure": .init("", "the time, as in the columns of comparison"),
      "ratio": .init("ratio", "median over the repeats"),
      "ratio_low": .init("ratio", "low end of the 95 % interval of signed ranks"),
      "ratio_high": .init("ratio", "high end of it"),
      "repeats": .init("count", "rounds in which both were timed"),
    ],
    "head_summary": [
      "setting": .init("", "isolated: the layer gets the dense input; propagated: errors build up"),
      "phase": .init("", "prefill or decode"),
      "layer": .init("", "counted from 0"), "query_head": .init("", "counted from 0"),
      "worst_query_error": .init("ratio", "relative output error of the worst single query"),
      "last_query_error": .init("ratio", "relative output error of the last query"),
      "dropped_mass_p95": .init("fraction", "95 % quantile of the dropped mass over queries"),
      "dropped_mass_maximum": .init("fraction", "largest dropped mass of a single query"),
    ],
    "cluster": [
      "cluster": .init("", "the number of the window or prompt, from 0"),
      "tokens": .init("count", "scored tokens of it; of prompts the questions"),
      "negative_log_likelihood": .init("nats", "sum over its tokens"),
      "logit_kl": .init("nats", "sum over its tokens of KL(full ‖ sparse)"),
      "score": .init("fraction", "mean over its questions"),
    ],
    "unit": [
      "sample": .init("", "the number of the window or prompt, from 0"),
      "number": .init("", "the place in it, from 0"),
      "place": .init(
        "tokens or fraction",
        "position of the first scored token, depth of the needle, or what the task says"),
      "tokens": .init("count", "scored tokens; 1 for a prompt"),
      "negative_log_likelihood": .init("nats", "sum over its tokens"),
      "logit_kl": .init("nats", "sum over its tokens of KL(full ‖ sparse)"),
      "top_one_agreements": .init("count", "tokens whose most likely successor is the dense run's"),
      "score": .init("fraction", "of the prompt"), "answer": .init("", "what the model wrote"),
      "expected": .init("", "what was asked for"),
    ],
    "timing": [
      "timing_group": .init(
        "", "what was timed round by round together; ratios are formed inside it"),
      "is_warmup": .init("0 or 1", "1: not counted"),
      "repetition": .init("", "the round, from 0; equal ones of a group belong together"),
      "is_control": .init("0 or 1", "1: the second run of full in its round"),
      "prompt_tokens": .init("count", "tokens of the prompt"),
      "decode_tokens": .init("count", "decode steps after it"),
    ],
    "run": [
      "started_at": .init("date", "ISO 8601 in UTC"), "ended_at": .init("date", "ISO 8601 in UTC"),
      "ending": .init("", "finished, interrupted or withFailures; empty for a run that was killed"),
      "program_version": .init("", "of tca-lab"),
      "source_state": .init("", "the commit that was built, -dirty where files differed from it"),
      "numerics_version": .init("", "raised when results change; part of a cell's identity"),
      "operating_system": .init("", "of the machine"), "cpu": .init("", "of the machine"),
      "cores": .init("count", "of the machine"), "memory_bytes": .init("bytes", "of the machine"),
      "blas": .init("", "the library, its version and the kernels it picked"),
      "blas_threads_per_call": .init("count", "threads inside one call of it"),
      "compiler": .init("", "of the program"), "compiler_flags": .init("", "of the program"),
    ],
  ]
}

extension ComparisonColumn {
  /// In words, by the metric that it shows.
  var meaning: String {
    switch self {
    case .clusters: return "independent samples behind quality: windows or prompts"
    case .sampleCount: return "windows or prompts that were scored"
    case .unitCount: return "segments of windows, or questions, that were scored"
    case .repeatCount: return "counted repeats behind the times"
    case .attentionAndSelectionTime:
      return "attention and selection of the prefill; median over repeats"
    case .attentionAndSelectionTimeRatio:
      return "attention_and_selection_time over full's, repeat by repeat; the median"
    case .perplexityRatioLow, .perplexityRatioHigh:
      return
        "\(self == .perplexityRatioLow ? "low" : "high") end of the 95 % interval of perplexity_ratio"
    default: break
    }
    if isRatio {
      return "\(rawValue.dropLast("_ratio".count)) over that of the full cell"
    }
    let statistic =
      rawValue.hasPrefix("worst_") || rawValue.contains("_worst_")
      ? "worst" : self == .logitKLP95 ? "p95" : metric?.statistics.first?.name ?? ""
    let how = metric?.statistics.first { $0.name == statistic }?.definition
    let setting =
      (rawValue.hasPrefix("propagated_") ? "; errors propagated from layer to layer" : "")
      + (isOfDecodeSteps ? "; of the decode steps" : "")
    return [metric?.definition, how].compactMap { $0 }.filter { $0 != "the figure itself" }
      .joined(separator: "; ") + setting
  }

  /// `decode_attention_time` and its like are metrics of their own and say so themselves.
  private var isOfDecodeSteps: Bool {
    rawValue.contains("decode_") && metric?.name.hasPrefix("decode") == false
  }
}
