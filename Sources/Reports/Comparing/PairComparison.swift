import Records

/// Two strategies, or two runs, wherever they meet.
public struct PairComparison {
  let title: String
  /// What A and B are.
  let sides: [(label: String, value: String)]
  /// One for each experiment.
  let tables: [PairTables]
  var legend: [String] = []

  /// Paired differences of two strategies wherever they meet in model, length and task.
  ///
  /// - Parameters:
  ///   - first, second: labels, or a strategy's name for all of its labels.
  ///   - background: what says in which phases strategies act.
  /// - Throws: ``ReportError`` where there is neither, or the two never meet.
  public init(
    of first: String, with second: String, in experiments: [ExperimentResults],
    background: ReportBackground = ReportBackground()
  ) throws(ReportError) {
    let cells = experiments.flatMap(\.rows).map(\.planned)
    let labels = Set(cells.map(\.label))
    for name in [first, second] {
      guard labels.contains(name) || cells.contains(where: { $0.cell.strategy == name }) else {
        throw ReportError(
          detail: "there is no strategy \"\(name)\" in the stored experiments",
          advice: labels.isEmpty
            ? "Run an experiment first."
            : "There are \(labels.sorted().map { "\"\($0)\"" }.joined(separator: ", ")).")
      }
    }
    func isMeant(_ row: ComparisonRow, by name: String) -> Bool {
      labels.contains(name) ? row.planned.label == name : row.planned.cell.strategy == name
    }
    let tables = experiments.compactMap { results -> PairTables? in
      let rows = ExperimentAnalysis(results, background: background).rows.filter {
        isMeant($0.row, by: first) || isMeant($0.row, by: second)
      }
      let others = Dictionary(grouping: rows.filter { isMeant($0.row, by: second) }) {
        [$0.cell.model, $0.row.planned.fullIdentity]
      }
      let pairs = rows.filter { isMeant($0.row, by: first) }.flatMap { row in
        (others[[row.cell.model, row.row.planned.fullIdentity]] ?? [])
          .filter { $0.cell.identity != row.cell.identity }
          .map { ComparedPair(row, $0, group: row.timingGroup(with: $0)) }
      }
      return pairs.isEmpty
        ? nil
        : PairTables(
          pairs: pairs, experiment: results.experiment.name,
          namesStrategies: !(labels.contains(first) && labels.contains(second)),
          primary: PrimaryLabels(results.experiment.primary))
    }
    guard tables.contains(where: { !$0.sections.isEmpty }) else {
      throw ReportError(
        detail:
          "\"\(first)\" and \"\(second)\" have no cell of the same experiment, model, length and task with results",
        advice: "Put both into one experiment and run it.")
    }
    title = "\(second) against \(first)"
    sides = [("A", first), ("B", second)]
    self.tables = tables
  }

  /// Paired differences of two runs: the cells that both measured, found again by model, length,
  /// label and task, so that runs of different numerics versions can be compared.
  ///
  /// Times stand side by side without ratios: they were not measured in one group.
  /// - Parameters:
  ///   - first, second: what one run measured itself.
  /// - Throws: ``ReportError`` where they have no cell in common.
  public init(
    ofRun first: ExperimentResults, with second: ExperimentResults
  ) throws(ReportError) {
    let others = Dictionary(grouping: ExperimentAnalysis(second).rows, by: Self.place)
    let pairs = ExperimentAnalysis(first).rows.flatMap { row in
      (others[Self.place(of: row)] ?? []).map { ComparedPair(row, $0) }
    }
    let names = [first, second].map { results in
      results.runs.last.map {
        "run \($0.id) of \($0.experiment), \($0.startedAt), \($0.provenance.sourceState), \($0.provenance.cpu)"
      } ?? "an empty run"
    }
    guard !pairs.isEmpty else {
      throw ReportError(
        detail: "\(names[0]) and \(names[1]) measured no cell in common",
        advice: "Compare runs of the same experiment; `tca-lab report` names the runs.")
    }
    title = "\(second.experiment.name): two runs"
    sides = [("A", names[0]), ("B", names[1])]
    tables = [
      PairTables(
        pairs: pairs, experiment: second.experiment.name, namesStrategies: true,
        primary: PrimaryLabels([]))
    ]
    legend = [
      "Times of two runs were measured apart, so no ratios are formed: the machine may have changed."
    ]
  }

  /// What a cell has in common with the same one of another run.
  private static func place(of row: AnalysedRow) -> [String] {
    [
      row.cell.model, "\(row.cell.contextLength)", row.label, row.task,
      row.cell.taskParameters.canonicalText,
    ]
  }

  /// Why a condition fails the comparison, a line each; empty where it does not.
  public func failures(of condition: PairCondition) -> [String] {
    condition.failures(tables.flatMap(\.verdicts))
  }

  /// A verdict in words for each place, then the tables.
  public var report: Report {
    let sections = ([verdictSection] + tables.flatMap(\.sections)).filter { !$0.isEmpty }
    let figures = [
      "Differences are B minus A, ratios B over A, on the same samples. ↓ lower is better, ↑ higher is better, – not "
        + "measured.",
      Report.brackets(in: sections, quartiles: "quartiles"),
      "Contrasts that a spec names as primary are corrected for their number in that experiment's report; what is seen here "
        + "is not.",
    ]
    return Report(
      title: title, facts: sides, sections: sections,
      legend: [figures.filter { !$0.isEmpty }.joined(separator: " ")]
        + Report.footnotes(of: sections)
        + ["Definitions of all figures: docs/measurement.md."] + legend,
      data: tables.map(\.data))
  }

  private var verdictSection: ReportSection {
    let isJudged = tables.flatMap(\.verdicts).contains {
      !$0.saysNothing && ($0.difference.interval != nil || $0.difference.pValue != nil)
    }
    return ReportSection(
      title: "Verdict",
      text: isJudged ? ["Of this pair alone, not corrected for others:"] : [],
      items: tables.flatMap { table in
        table.verdicts.map { verdict in
          let experiment = tables.count > 1 ? "\(table.experiment), " : ""
          let strategies = table.namesStrategies ? " (\(verdict.pairs[0].strategies))" : ""
          return "\(experiment)\(verdict.place)\(strategies): \(verdict.sentence)."
        }
      }, isAnswer: true)
  }
}
