import Records

extension Report {
  /// The report of one experiment.
  public init(of results: ExperimentResults) {
    self.init(of: ExperimentAnalysis(results))
  }

  public init(of analysis: ExperimentAnalysis) {
    let sections =
      [analysis.mainSection, analysis.flagSection] + analysis.equalBudgetSections + [
        analysis.pooledSection, analysis.qualitySection, analysis.lengthSection,
        analysis.approximationSection,
        analysis.headSection,
        analysis.timeSection,
        analysis.memorySection, analysis.growthSection, analysis.tradeOffSection,
        analysis.calibrationSection, analysis.failureSection,
      ]
    self.init(
      title: analysis.results.experiment.name, question: analysis.results.experiment.question,
      facts: analysis.facts, sections: sections.filter { !$0.isEmpty },
      legend: Self.legend(of: analysis), data: analysis.dataTables)
  }

  private static func legend(of analysis: ExperimentAnalysis) -> [String] {
    var legend = [
      "↓ lower is better, ↑ higher is better, – not measured or does not exist. Ratios and differences are to full on "
        + "the same samples. In square brackets: 95 % bootstrap interval over units (\(NumberText.count(Bootstrap.draws)) "
        + "draws, seeded, stratified by sample); none for fewer than \(Bootstrap.leastUnits) units. In round brackets: "
        + "lower and upper quartile over repeats."
    ]
    if analysis.rows.contains(where: \.looksAhead) {
      legend.append(
        "† selectionLooksAhead: the selection is made once from the whole prompt, so later tokens chose what earlier "
          + "queries see; compare the continuation protocol.")
    }
    if analysis.rows.contains(where: \.cell.readsFuture) {
      legend.append(
        "§ Reads the future: an oracle that is told which tokens the queries after the prompt attend to. It bounds "
          + "methods, and is none.")
    }
    if analysis.rows.contains(where: \.isAtChance) {
      legend.append(
        "‡ Full attention is at chance: its score is 0, or its interval reaches the score of somebody who guesses. "
          + "Differences there mean nothing.")
    }
    legend.append(
      "Definitions of all figures: docs/measurement.md. Every column and the raw measurements: docs/database.md."
    )
    return legend
  }
}

extension ExperimentAnalysis {
  /// Commit, machine, libraries and dates behind the figures.
  var facts: [Report.Fact] {
    let runs = runsBehind.isEmpty ? results.runs : runsBehind
    func all(_ text: (Provenance) -> String) -> String {
      var seen: [String] = []
      for run in runs where !seen.contains(text(run.provenance)) {
        seen.append(text(run.provenance))
      }
      return seen.joined(separator: "; ")
    }
    guard let first = runs.first, let last = runs.last else { return [] }
    let days = [first, last].map { String($0.startedAt.prefix(10)) }
    return [
      Report.Fact(
        "source",
        all {
          "\($0.sourceState), tca-lab \($0.programVersion), numerics version \($0.numericsVersion)"
        }),
      Report.Fact(
        "machine",
        all {
          "\($0.cpu), \($0.cores) cores, \(NumberText.fixed(Double($0.memoryBytes) / 1_073_741_824, 1)) GiB, "
            + $0.operatingSystem
        }),
      Report.Fact(
        "libraries", all { "\($0.blas), \($0.blasThreadsPerCall) thread(s) a call" }),
      Report.Fact("threads", all { "\($0.threads)" }),
      Report.Fact("compiler", all { "\($0.compiler), \($0.compilerFlags)" }),
      Report.Fact("models", models),
      Report.Fact(
        "runs",
        "\(runs.count) (\(days[0] == days[1] ? days[0] : days.joined(separator: " to ")), UTC)"),
    ]
  }

  private var models: String {
    var seen: [String] = []
    for row in rows {
      let text = "\(row.cell.model) (SHA-256 \(row.cell.modelDigest.prefix(12)))"
      if !seen.contains(text) { seen.append(text) }
    }
    return seen.joined(separator: "; ")
  }
}
