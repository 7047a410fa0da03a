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
        difference.interval.map { ReportCell(.interval($0, difference.format)) }
          ?? "none (\(difference.unitCount) units)"
      },
      .init("perplexity ratio", .lower) {
        .number($0.perplexityRatio, .fixed(4), $0.perplexityRatioInterval)
      },
      .init("units up / down / same") { "\($0.signs.up) / \($0.signs.down) / \($0.signs.ties)" },
      .init("sign test p") { .number($0.signs.pValue, .significant) },
      .init("samples") { .count($0.sampleCount) },
    ]
  }
}

extension ExperimentAnalysis {
  /// Quality against full on the same units, with intervals and sign tests.
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
      + ColumnRule.paired("full", "strategy").map { $0.of(\.difference) }
      + figures.map { $0.of(\.analysed) }
    return ReportSection(
      title: "Quality against full",
      text: [
        "Difference: strategy minus full, unit by unit (a segment of 64 scored tokens, or a prompt). Figures of the "
          + "propagated setting."
      ], tables: [ReportTable(compared, columns)])
  }
}
