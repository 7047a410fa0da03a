/// An interval of document lengths by which LongBench-E reports, in words.
enum LengthBucket: String, CaseIterable {
  case short = "0-4k"
  case middle = "4-8k"
  case long = "8k+"

  init(words: Double) {
    self = words < 4000 ? .short : words < 8000 ? .middle : .long
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
      columns: AnalysedRow.nameColumns
        + LengthBucket.allCases.map { ReportTable.Column("score \($0.rawValue)", .higher) }
        + [.init("documents", isNumeric: false)],
      rows: scored.map { analysed in
        let scores = LengthBucket.allCases.map { bucket in
          analysed.row.units.filter { LengthBucket(words: $0.place) == bucket }
            .compactMap(\.score)
        }
        return analysed.names
          + scores.map { scores in
            NumberText.fixed(
              scores.isEmpty ? nil : scores.reduce(0, +) / Double(scores.count), 3)
          } + [scores.map { "\($0.count)" }.joined(separator: " / ")]
      })
    return ReportSection(
      "LongBench-E by length",
      text: scored.isEmpty
        ? []
        : [
          "Mean scores of documents below 4,000 words, below 8,000 and above, as LongBench-E reports them, and how many "
            + "there are of each. The length is the original document's: one longer than the context lost its middle."
        ], tables: [table])
  }
}
