extension ExperimentAnalysis {
  /// The main comparison: every cell, its error, its quality, its memory and its time.
  var mainSection: ReportSection {
    let columns =
      AnalysedRow.nameColumns + [
        .init("output error", .lower),
        .init("dropped mass", .lower), .init("density", .lower),
        .init("perplexity", .lower), .init("perplexity ratio", .lower), .init("score", .higher),
        .init("score difference", .higher), .init("KV cache", unit: "MiB", .lower),
        .init("KV cache ratio", .lower), .init("first token", unit: "ms", .lower),
        .init("first token ratio", .lower), .init("next token", unit: "ms", .lower),
        .init("next token ratio", .lower), .init("units", .neither), .init("repeats", .neither),
      ]
    let table = ReportTable(
      columns: columns,
      rows: rows.map { analysed in
        let row = analysed.row
        let isScore = analysed.difference?.figure == .score
        return analysed.names + [
          NumberText.significant(row[.relativeOutputError]),
          NumberText.significant(row[.droppedMass]), NumberText.fixed(row[.density], 3),
          NumberText.fixed(row[.perplexity], 2),
          NumberText.with(
            NumberText.fixed(row[.perplexityRatio], 3),
            NumberText.interval(analysed.difference?.perplexityRatioInterval) {
              NumberText.fixed($0, 3)
            }),
          NumberText.fixed(row[.score], 2),
          isScore
            ? NumberText.with(
              NumberText.signed(analysed.difference?.mean, 2),
              NumberText.interval(analysed.difference?.interval) { NumberText.signed($0, 2) })
            : NumberText.missing,
          NumberText.mebibytes(row[.kvCacheResidentBytes]),
          NumberText.fixed(row[.kvCacheResidentBytesRatio], 3),
          NumberText.spread(analysed.times[.timeToFirstToken]) { NumberText.milliseconds($0) },
          analysed.ratioText(.timeToFirstToken),
          NumberText.spread(analysed.times[.timePerOutputToken]) { NumberText.milliseconds($0) },
          analysed.ratioText(.timePerOutputToken),
          NumberText.count(row[.unitCount]), NumberText.count(row[.repeatCount]),
        ]
      }
    ).withoutEmptyColumns
    return ReportSection(
      "Comparison",
      text: [
        "Output error and dropped mass: isolated, in the prefill, mean over samples, layers and query heads. First "
          + "token and next token: timeToFirstToken and timePerOutputToken, median over repeats."
      ],
      tables: [table])
  }
}
