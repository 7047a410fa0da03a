import Records

extension Report {
  /// Paired differences of two strategies wherever they meet in model, length and task.
  ///
  /// - Parameters:
  ///   - first, second: labels, or a strategy's name for all of its labels.
  /// - Throws: ``ReportError`` where there is neither, or the two never meet.
  public init(
    comparing first: String, with second: String, in experiments: [ExperimentResults]
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
      let rows = ExperimentAnalysis(results).rows.filter {
        isMeant($0.row, by: first) || isMeant($0.row, by: second)
      }
      let others = Dictionary(grouping: rows.filter { isMeant($0.row, by: second) }) {
        [$0.cell.model, $0.row.planned.fullIdentity]
      }
      let pairs = rows.filter { isMeant($0.row, by: first) }.flatMap { row in
        (others[[row.cell.model, row.row.planned.fullIdentity]] ?? [])
          .filter { $0.cell.identity != row.cell.identity }
          .map { other in
            ComparedPair(
              row, other,
              group: results.timingGroups.last {
                $0.counts(row.cell.identity) && $0.counts(other.cell.identity)
              }?.group)
          }
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
    self.init(
      title: "\(second) against \(first)", facts: [("A", first), ("B", second)],
      pairs: tables)
  }

  /// Paired differences of two runs: the cells that both measured, found again by model, length,
  /// label and task, so that runs of different numerics versions can be compared.
  ///
  /// Times stand side by side without ratios: they were not measured in one group.
  /// - Parameters:
  ///   - first, second: what one run measured itself.
  /// - Throws: ``ReportError`` where they have no cell in common.
  public init(
    comparingRun first: ExperimentResults, with second: ExperimentResults
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
    self.init(
      title: "\(second.experiment.name): two runs",
      facts: [("A", names[0]), ("B", names[1])],
      pairs: [
        PairTables(
          pairs: pairs, experiment: second.experiment.name, namesStrategies: true,
          primary: PrimaryLabels([]))
      ])
    legend.append(
      "Times of two runs were measured apart, so no ratios are formed: the machine may have changed."
    )
  }

  private init(title: String, facts: [(label: String, value: String)], pairs: [PairTables]) {
    let sections = pairs.flatMap(\.sections)
    self.init(
      title: title, facts: facts, sections: sections,
      legend: [
        "Differences are B minus A, ratios B over A, on the same samples. ↓ lower is better, ↑ higher is better, – not "
          + "measured. \(Self.brackets)quartiles over repeats. Contrasts that a spec names as primary are corrected for their "
          + "number in that experiment's report; what is seen here is not."
      ] + Self.footnotes(of: sections) + ["Definitions of all figures: docs/measurement.md."],
      data: pairs.map(\.data))
  }

  /// What a cell has in common with the same one of another run.
  private static func place(of row: AnalysedRow) -> [String] {
    [
      row.cell.model, "\(row.cell.contextLength)", row.label, row.task,
      row.cell.taskParameters.canonicalText,
    ]
  }
}

extension StoredTimingGroup {
  /// True where a cell has counted samples in the group.
  fileprivate func counts(_ identity: String) -> Bool {
    group.samples.contains { $0.identity == identity && !$0.isWarmup }
  }
}
