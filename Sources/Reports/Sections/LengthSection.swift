/// An interval of document lengths by which LongBench-E reports, in words.
enum LengthBucket: String, CaseIterable {
  case short = "0-4k"
  case middle = "4-8k"
  case long = "8k+"

  init(words: Double) {
    self = words < 4000 ? .short : words < 8000 ? .middle : .long
  }

  func scores(_ analysed: AnalysedRow) -> [Double] {
    analysed.row.units.filter { LengthBucket(words: $0.place) == self }.compactMap(\.score)
  }
}

extension ExperimentAnalysis {
  /// Scores of LongBench-E by the documents' length; `place` of a unit is its document's.
  var lengthSection: ReportSection {
    let scored = rows.filter {
      $0.cell.task == "longbench"
        && $0.cell.taskParameters["dataset"]?.stringValue?.hasSuffix("_e") == true
        && !$0.row.units.isEmpty
    }
    let table = ReportTable(
      scored,
      ColumnRule.names
        + LengthBucket.allCases.map { bucket in
          ColumnRule("score \(bucket.rawValue)", .higher) {
            .number(bucket.scores($0).mean, .fixed(3))
          }
        } + [
          .words("documents") { analysed in
            .text(
              LengthBucket.allCases.map { "\($0.scores(analysed).count)" }.joined(separator: " / "))
          }
        ])
    return ReportSection(
      title: "LongBench-E by length",
      text: [
        "Mean scores of documents below 4,000 words, below 8,000 and above, as LongBench-E reports them, and how many "
          + "there are of each. The length is the original document's: one longer than the context lost its middle."
      ], tables: [table])
  }
}
