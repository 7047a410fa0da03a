extension ExperimentAnalysis {
  /// Quality against full on the same units, with intervals and sign tests.
  var qualitySection: ReportSection {
    let compared = rows.filter { $0.difference != nil }
    let columns =
      AnalysedRow.nameColumns + [
        .init("figure", isNumeric: false), .init("full"), .init("strategy"), .init("difference"),
        .init("95 % interval"), .init("perplexity ratio", .lower), .init("units up / down / same"),
        .init("sign test p"), .init("samples"), .init("logit KL", unit: "nats", .lower),
        .init("p95", .lower), .init("same top token", .higher),
      ]
    let table = ReportTable(
      columns: columns,
      rows: compared.compactMap { analysed in
        guard let difference = analysed.difference else { return nil }
        let isScore = difference.figure == .score
        let decimals = isScore ? 3 : 4
        let interval = NumberText.interval(difference.interval) { NumberText.signed($0, decimals) }
        return analysed.names + [
          isScore ? "score ↑" : "negative log-likelihood, nats/token ↓",
          NumberText.fixed(difference.first, decimals),
          NumberText.fixed(difference.second, decimals),
          NumberText.signed(difference.mean, decimals),
          interval.isEmpty ? "none (\(difference.unitCount) units)" : interval,
          NumberText.with(
            NumberText.fixed(difference.perplexityRatio, 4),
            NumberText.interval(difference.perplexityRatioInterval) { NumberText.fixed($0, 4) }),
          "\(difference.signs.up) / \(difference.signs.down) / \(difference.signs.ties)",
          NumberText.significant(difference.signs.pValue),
          NumberText.count(difference.sampleCount), NumberText.significant(analysed.row[.logitKL]),
          NumberText.significant(analysed.row[.logitKLP95]),
          NumberText.fixed(analysed.row[.topOneAgreement], 4),
        ]
      }
    ).withoutEmptyColumns
    return ReportSection(
      "Quality against full",
      text: compared.isEmpty
        ? []
        : [
          "Difference: strategy minus full, unit by unit (a segment of 64 scored tokens, or a prompt). Figures of the "
            + "propagated setting."
        ], tables: [table])
  }
}
