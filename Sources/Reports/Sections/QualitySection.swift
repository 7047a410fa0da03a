extension ColumnRule where Subject == PairedDifference {
  /// What a paired difference says, with the names of what is compared.
  static func paired(_ first: String, _ second: String) -> [Self] {
    [
      .words("figure") {
        $0.figure == .score ? "score ↑" : "negative log-likelihood, nats/token ↓"
      },
      .init(first) { .number($0.first, .fixed($0.decimals)) },
      .init(second) { .number($0.second, .fixed($0.decimals)) },
      .init("difference") { .number($0.mean, $0.format) },
      .init("95 % interval") { difference in
        if let interval = difference.interval {
          return ReportCell(.interval(interval, difference.format))
        }
        return difference.figure == .score ? .missing : "none (\(difference.clusters))"
      },
      .init("perplexity ratio", .lower) {
        .number($0.perplexityRatio, .fixed(4), $0.perplexityRatioInterval)
      },
      .init("p") { .number($0.pValue, .significant) },
      .words("over") { .text($0.clusters) },
      .init("up / down / same") { "\($0.up) / \($0.down) / \($0.same)" },
    ]
  }
}

extension ExperimentAnalysis {
  /// Quality against full on the same windows or prompts, cell by cell.
  var qualitySection: ReportSection {
    typealias Compared = (analysed: AnalysedRow, difference: PairedDifference)
    let compared = rows.compactMap { row in row.difference.map { (row, $0) as Compared } }
    let figures: [ColumnRule<AnalysedRow>] = [
      .figure("logit KL", unit: "nats", .logitKL, .significant),
      .figure("p95", .logitKLP95, .significant),
      .figure("same top token", .topOneAgreement, .fixed(4)),
    ]
    let columns: [ColumnRule<Compared>] =
      ColumnRule.names.map { $0.of(\.analysed) }
      + [
        .words("contrast") { [primary = primaryLabels, pooled = pooledTasks] in
          // What stands in a pool is decided there.
          pooled.contains($0.analysed.row.planned.fullIdentity)
            ? "exploratory" : primary.word($0.analysed)
        }
      ]
      + ColumnRule.paired("full", "strategy").map { $0.of(\.difference) }
      + figures.map { $0.of(\.analysed) }
    return ReportSection(
      title: "Quality against full",
      text: [
        "Difference: strategy minus full, text by text or task by task; all texts together stand below. It generalises over "
          + "what stands in the column \"over\": other windows of the same text, other prompts of the same task. p: Student's t "
          + "on windows; for scores McNemar's exact test, or sign flips. Not corrected for the number of strategies. Figures of "
          + "the propagated setting."
      ], tables: [ReportTable(compared, columns)])
  }
}
