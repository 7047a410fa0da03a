import Records

extension ExperimentAnalysis {
  /// Stages of prefill and decode, rates, and from which length on a strategy is faster.
  var timeSection: ReportSection {
    func rate(_ name: String, _ figure: TimeFigure) -> ColumnRule<AnalysedRow> {
      .init(name, unit: "tokens/s", .higher) { .number($0.times[figure]?.median, .fixed(1)) }
    }
    func stage(_ name: String, _ figure: TimeFigure) -> ColumnRule<AnalysedRow> {
      .init(name, unit: "ms", .lower) { .number($0.times[figure]?.median, .milliseconds) }
    }
    /// A stage of a decode step is short.
    func step(_ name: String, _ figure: TimeFigure) -> ColumnRule<AnalysedRow> {
      .init(name, unit: "ms", .lower) {
        .number($0.times[figure].map { $0.median * 1000 }, .fixed(3))
      }
    }
    let timed = rows.filter { !$0.times.isEmpty }
    let prefill = ReportTable(
      timed,
      ColumnRule.names + [
        rate("prefill", .prefillTokensPerSecond), stage("attention", .attentionTime),
        stage("selection", .selectionTime), stage("compaction", .compactionTime),
        stage("other", .otherTime), .ratio("attention ratio", .attentionTime),
        .ratio("attention and selection ratio", .attentionAndSelectionTime),
        .ratio("first token ratio", .timeToFirstToken),
      ])
    let decode = ReportTable(
      timed.filter { $0.times[.timePerOutputToken] != nil },
      ColumnRule.names + [
        rate("decode", .decodeTokensPerSecond), step("attention", .decodeAttentionTime),
        step("selection", .decodeSelectionTime), step("compaction", .decodeCompactionTime),
        step("other", .decodeOtherTime), .ratio("attention ratio", .decodeAttentionTime),
        .ratio("next token ratio", .timePerOutputToken),
      ])
    return ReportSection(
      title: "Time",
      text: [
        "Medians over the repeats of a cell's newest timing group, stages of the prefill, then stages per decode "
          + "token. Ratios are formed repeat by repeat inside the group: their median, and from 8 repeats on the 95 % interval of "
          + "signed ranks in square brackets. The ratio of full is that of its second run in each round to its first: its "
          + "interval should hold 1."
      ],
      tables: [prefill, decode], items: crossovers)
  }

  /// The shortest context from which on a strategy's first token is ahead of full's, beyond the interval of the ratio.
  private var crossovers: [String] {
    rows.filter { !$0.row.isFull && $0.ratios[.timeToFirstToken] != nil }
      .groupedByNames { [$0.label, $0.cell.model, $0.task] }.compactMap { rows in
        guard rows.count > 1 else { return nil }
        let text: String
        if rows.contains(where: { $0.ratios[.timeToFirstToken]?.interval == nil }) {
          text = "not known, fewer than \(SignedRank.leastValues) repeats"
        } else {
          let ahead = rows.sorted { $0.cell.contextLength < $1.cell.contextLength }.reversed()
            .prefix { ($0.ratios[.timeToFirstToken]?.interval?.high ?? 1) < 1 }.last
          text =
            ahead.map { "from \(NumberFormat.counted($0.cell.contextLength, "token")) on" }
            ?? "not reached"
        }
        return "Crossover length of the first token, \(rows[0].label), "
          + "\(rows[0].cell.model), \(rows[0].task): \(text)"
      }
  }
}
