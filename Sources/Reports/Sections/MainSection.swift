extension ExperimentAnalysis {
  /// The main comparison: every cell, its error, its quality, its memory and its time.
  var mainSection: ReportSection {
    let columns: [ColumnRule<AnalysedRow>] =
      ColumnRule.names + [
        .figure("output error", .relativeOutputError, .significant),
        .figure("dropped mass", .droppedMass, .significant),
        .figure("density", .density, .fixed(3)), .figure("perplexity", .perplexity, .fixed(2)),
        .init("perplexity ratio", .lower) {
          .number($0.row[.perplexityRatio], .fixed(3), $0.difference?.perplexityRatioInterval)
        },
        .init("score", .higher) { analysed in
          .number(analysed.row[.score], .fixed(2), ScoreMean(analysed.row.units)?.interval)
        },
        .init("score difference", .higher) { analysed in
          guard let difference = analysed.difference, difference.figure == .score else {
            return .missing
          }
          return .difference(difference)
        },
        .figure("KV cache", .kvCacheResidentBytes, .mebibytes),
        .figure("KV cache ratio", .kvCacheResidentBytesRatio, .fixed(3)),
        .time("first token", .timeToFirstToken), .ratio("first token ratio", .timeToFirstToken),
        .time("next token", .timePerOutputToken), .ratio("next token ratio", .timePerOutputToken),
        .init("clusters") { $0.clusterText.isEmpty ? .missing : .text($0.clusterText) },
        .figure("repeats", .repeatCount, .count),
      ]
    return ReportSection(
      title: "Comparison",
      text: [
        "Output error and dropped mass: isolated, in the prefill, mean over samples, layers and query heads. First "
          + "token and next token: timeToFirstToken and timePerOutputToken, median over repeats. Clusters are what intervals "
          + "and tests count: windows of the text, or prompts."
      ],
      tables: [ReportTable(rows, columns)])
  }
}
