import Records

extension Report {
  /// The report of one experiment.
  ///
  /// - Parameter database: the path of the file that the results are from: what is said of how to run it again names the
  ///   file.
  public init(
    of results: ExperimentResults, background: ReportBackground = ReportBackground(),
    database: String = "tca-lab.sqlite"
  ) {
    let analysis = ExperimentAnalysis(results, background: background)
    let points = analysis.pools.flatMap(\.paretoPoints)
    let styles = StrategyStyles(analysis.rows, points)
    let frontiers = FrontierFigures(analysis: analysis, points: points, styles: styles)
    let sections =
      ([
        analysis.primarySection, analysis.flagSection, analysis.strategySection,
        analysis.pooledSection.showing(analysis.textFigure(points, styles).map { [$0] } ?? []),
        analysis.paretoSection(points), analysis.tradeOffSection(frontiers),
      ] + analysis.equalBudgetSections + [
        analysis.mainSection, analysis.qualitySection, analysis.lengthSection,
        analysis.questionSection,
        analysis.depthSection(styles), analysis.approximationSection,
        analysis.headSection.showing(analysis.headFigures(styles)),
        analysis.timeSection.showing(analysis.stageFigures(styles)),
        analysis.memorySection.showing(analysis.keptFigures(styles)),
        analysis.growthSection(styles), analysis.calibrationSection, analysis.failureSection,
      ]).filter { !$0.isEmpty }
    let figures = [
      "↓ lower is better, ↑ higher is better, – not measured or does not exist. Ratios and differences are to full on the "
        + "same samples.",
      Self.brackets(in: sections, quartiles: "lower and upper quartile"),
      "Only the primary contrasts are corrected for their number; every other comparison is exploratory.",
    ]
    self.init(
      title: results.experiment.name, question: results.experiment.question,
      answer: analysis.answer(points), frontier: frontiers.leading,
      overview: analysis.overview(points), facts: analysis.facts, summary: analysis.summarySection,
      sections: sections,
      legend: [figures.filter { !$0.isEmpty }.joined(separator: " ")]
        + Self.footnotes(of: sections) + [
          "Definitions of all figures: docs/measurement.md. Every column and the raw measurements: docs/database.md."
        ], strategies: analysis.strategies, recipe: analysis.recipe(database),
      data: analysis.dataTables)
  }

  /// What stands in brackets behind the figures of these sections; "" where nothing does.
  static func brackets(in sections: [ReportSection], quartiles: String) -> String {
    let cells = sections.flatMap(\.tables).flatMap(\.rows).joined()
    var (hasIntervals, hasTests, hasQuartiles) = (false, false, false)
    for cell in cells {
      if case .interval = cell.content { hasIntervals = true }
      switch cell.uncertainty {
      case .interval?: hasIntervals = true
      case .probability?: hasTests = true
      case .quartiles?: hasQuartiles = true
      case .standardError?, nil: break
      }
    }
    var words: [String] = []
    if hasIntervals {
      words.append(
        "In square brackets: 95 % interval, Student's t over windows (8 or more) or over texts (4 or more), Clopper and Pearson's "
          + "of shares of prompts, signed ranks of ratios of times (8 repeats or more).")
    }
    if hasTests { words.append("(p …): McNemar's exact test, or sign flips, over prompts.") }
    if hasQuartiles {
      words.append("In \(hasTests ? "other round" : "round") brackets: \(quartiles) over repeats.")
    }
    return words.joined(separator: " ")
  }

  /// For the marks that the sections' tables use.
  static func footnotes(of sections: [ReportSection]) -> [String] {
    let used = Set(sections.flatMap(\.marks))
    return Mark.allCases.filter(used.contains).map { "\($0.symbol) \($0.footnote)" }
  }
}

extension ExperimentAnalysis {
  /// Commit, machine, libraries and dates behind the figures.
  var facts: [(label: String, value: String)] {
    let runs = runsBehind.isEmpty ? results.runs : runsBehind
    guard let first = runs.first, let last = runs.last else { return [] }
    func all(_ text: (Provenance) -> String) -> String {
      runs.map { text($0.provenance) }.uniqued.joined(separator: "; ")
    }
    let days = [first, last].map { String($0.startedAt.prefix(10)) }.uniqued
    return [
      (
        "source",
        all {
          "\($0.sourceState), tca-lab \($0.programVersion), numerics version \($0.numericsVersion)"
        }
      ),
      (
        "machine",
        all {
          let memory = NumberFormat.fixed(1).text(Double($0.memoryBytes) / 1_073_741_824)
          let cores = NumberFormat.counted($0.cores, "core")
          return "\($0.cpu), \(cores), \(memory) GiB, \($0.operatingSystem)"
        }
      ),
      (
        "libraries",
        all { "\($0.blas), \(NumberFormat.counted($0.blasThreadsPerCall, "thread")) a call" }
      ),
      ("threads", all { "\($0.threads)" }),
      ("compiler", all { "\($0.compiler), \($0.compilerFlags)" }),
      (
        "models",
        rows.map { row in
          let reach = background.models[row.cell.modelDigest]?.reach.map { "; \($0)" } ?? ""
          return "\(row.cell.model) (SHA-256 \(row.cell.modelDigest.prefix(12))\(reach))"
        }.uniqued.joined(separator: "; ")
      ),
      ("runs", "\(runs.count) (\(days.joined(separator: " to ")), UTC)"),
    ]
  }
}
