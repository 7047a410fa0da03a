import Records

extension ExperimentAnalysis {
  /// Everything for programs: the comparison with all columns, differences, and the raw measurements.
  var dataTables: [DataTable] {
    [comparisonData, differenceData, headData, unitData, timingData, runData]
      .filter { !$0.rows.isEmpty }
  }

  private static let nameColumns = [
    "experiment", "model", "context_length", "strategy", "task", "protocol", "query_aware",
  ]

  private func names(_ analysed: AnalysedRow) -> [DataTable.Value] {
    [
      .text(results.experiment.name), .text(analysed.cell.model),
      .integer(analysed.cell.contextLength), .text(analysed.row.planned.label),
      .text(analysed.cell.task), .init(analysed.cell.taskProtocol),
      .integer(analysed.cell.queryAware ? 1 : 0),
    ]
  }

  /// The `comparison` view.
  private var comparisonData: DataTable {
    DataTable(
      "comparison",
      columns: Self.nameColumns + ComparisonColumn.allCases.map(\.rawValue) + [
        "strategy_name", "strategy_parameters", "task_parameters", "selection_looks_ahead", "cell",
        "full_cell", "failure",
      ],
      rows: rows.map { analysed in
        names(analysed) + ComparisonColumn.allCases.map { .init(analysed.row[$0]) } + [
          .text(analysed.cell.strategy), .text(analysed.cell.strategyParameters.canonicalText),
          .text(analysed.cell.taskParameters.canonicalText),
          .integer(analysed.cell.selectionLooksAhead ? 1 : 0), .text(analysed.cell.identity),
          .text(analysed.row.planned.fullIdentity), .init(analysed.row.failure?.reason),
        ]
      })
  }

  private var differenceData: DataTable {
    DataTable(
      "quality_difference",
      columns: Self.nameColumns + [
        "figure", "full", "strategy_value", "difference", "difference_low", "difference_high",
        "perplexity_ratio", "perplexity_ratio_low", "perplexity_ratio_high", "units_up",
        "units_down", "units_same", "sign_test_p", "unit_count", "sample_count", "cell",
      ],
      rows: rows.compactMap { analysed in
        guard let difference = analysed.difference else { return nil }
        return names(analysed) + [
          .text(difference.figure.rawValue), .number(difference.first),
          .number(difference.second), .number(difference.mean), .init(difference.interval?.low),
          .init(difference.interval?.high), .init(difference.perplexityRatio),
          .init(difference.perplexityRatioInterval?.low),
          .init(difference.perplexityRatioInterval?.high), .integer(difference.signs.up),
          .integer(difference.signs.down), .integer(difference.signs.ties),
          .number(difference.signs.pValue), .integer(difference.unitCount),
          .integer(difference.sampleCount), .text(analysed.cell.identity),
        ]
      })
  }

  private var headData: DataTable {
    DataTable(
      "head_summary",
      columns: Self.nameColumns + [
        "setting", "phase", "layer", "query_head", "relative_output_error", "worst_query_error",
        "last_query_error", "output_cosine", "dropped_mass", "dropped_mass_p95",
        "dropped_mass_maximum", "bound_ratio", "density", "nominal_density", "retained_fraction",
        "cell",
      ],
      rows: rows.flatMap { analysed in
        analysed.row.heads.map { head in
          names(analysed) + [
            .text(head.setting.rawValue), .text(head.phase.rawValue), .integer(head.layer),
            .integer(head.queryHead), .number(head.relativeOutputError),
            .number(head.worstQueryError), .number(head.lastQueryError),
            .number(head.outputCosine), .init(head.droppedMass), .init(head.droppedMassP95),
            .init(head.droppedMassMaximum), .init(head.boundRatio), .number(head.density),
            .number(head.nominalDensity), .number(head.retainedFraction),
            .text(analysed.cell.identity),
          ]
        }
      })
  }

  private var unitData: DataTable {
    DataTable(
      "unit",
      columns: Self.nameColumns + [
        "sample", "number", "place", "tokens", "negative_log_likelihood", "logit_kl",
        "top_one_agreements", "score", "answer", "expected", "cell",
      ],
      rows: rows.flatMap { analysed in
        analysed.row.units.map { unit in
          names(analysed) + [
            .integer(unit.sample), .integer(unit.index), .number(unit.place),
            .integer(unit.tokens), .init(unit.negativeLogLikelihood), .init(unit.logitKL),
            .init(unit.topOneAgreements), .init(unit.score), .init(unit.answer),
            .init(unit.expected), .text(analysed.cell.identity),
          ]
        }
      })
  }

  private var timingData: DataTable {
    var seen: Set<String> = []
    var cells: [[DataTable.Value]] = []
    for analysed in rows where seen.insert(analysed.cell.identity).inserted {
      for stored in results.timingGroups {
        for sample in stored.group.samples where sample.identity == analysed.cell.identity {
          cells.append(
            names(analysed) + [
              .integer(Int(stored.id)), .integer(Int(stored.run)), .integer(stored.group.threads),
              .integer(sample.isWarmup ? 1 : 0), .integer(sample.repetition),
              .integer(sample.promptTokens), .integer(sample.decodeTokens),
              .number(sample.timeToFirstToken), .init(sample.timePerOutputToken),
              .number(sample.attentionTime), .number(sample.selectionTime),
              .number(sample.compactionTime), .number(sample.otherTime),
              .init(sample.decodeAttentionTime), .init(sample.decodeSelectionTime),
              .init(sample.decodeCompactionTime), .init(sample.decodeOtherTime),
              .text(analysed.cell.identity),
            ])
        }
      }
    }
    return DataTable(
      "timing",
      columns: Self.nameColumns + [
        "timing_group", "run", "threads", "is_warmup", "repetition", "prompt_tokens",
        "decode_tokens", "time_to_first_token", "time_per_output_token", "attention_time",
        "selection_time", "compaction_time", "other_time", "decode_attention_time",
        "decode_selection_time", "decode_compaction_time", "decode_other_time", "cell",
      ], rows: cells)
  }

  private var runData: DataTable {
    DataTable(
      "run",
      columns: [
        "run", "experiment", "started_at", "ended_at", "ending", "program_version", "source_state",
        "numerics_version", "operating_system", "cpu", "cores", "memory_bytes", "blas",
        "blas_threads_per_call", "threads", "compiler", "compiler_flags",
      ],
      rows: results.runs.map { run in
        let provenance = run.provenance
        return [
          .integer(Int(run.id)), .text(run.experiment), .text(run.startedAt), .init(run.endedAt),
          .init(run.ending?.rawValue), .text(provenance.programVersion),
          .text(provenance.sourceState), .integer(provenance.numericsVersion),
          .text(provenance.operatingSystem), .text(provenance.cpu), .integer(provenance.cores),
          .integer(provenance.memoryBytes), .text(provenance.blas),
          .integer(provenance.blasThreadsPerCall), .integer(provenance.threads),
          .text(provenance.compiler), .text(provenance.compilerFlags),
        ]
      })
  }
}
