import JSON
import Records

/// What is compared by `tca-lab compare`: the same place of the grid under two strategies, or in two runs.
struct ComparedPair {
  var first: AnalysedRow
  var second: AnalysedRow
  /// The newest timing group that holds counted samples of both; nil where there is none.
  var group: TimingGroup?

  /// The label of both, or of A and of B.
  var strategies: String {
    let labels = [first.row.planned.label, second.row.planned.label]
    return labels[0] == labels[1] ? labels[0] : labels.joined(separator: " / ")
  }

  /// True where one side's quality was measured on tokens that took part in its selection.
  var looksAhead: Bool { first.looksAhead || second.looksAhead }
}

extension Report {
  /// Paired differences of two strategies, wherever an experiment has both at the same model, length and task.
  ///
  /// - Parameters:
  ///   - first, second: labels, as in `comparison.strategy`, or a strategy's name for all of its labels.
  /// - Throws: ``ReportError`` where there is neither, or the two never meet.
  public init(
    comparing first: String, with second: String, in experiments: [ExperimentResults]
  ) throws(ReportError) {
    let cells = experiments.flatMap(\.rows).map(\.planned)
    let labels = Set(cells.map(\.label))
    for name in [first, second] {
      guard labels.contains(name) || cells.contains(where: { $0.cell.strategy == name }) else {
        throw ReportError(
          "there is no strategy \"\(name)\" in the stored experiments",
          advice: labels.isEmpty
            ? "Run an experiment first."
            : "There are \(labels.sorted().map { "\"\($0)\"" }.joined(separator: ", ")).")
      }
    }
    func isMeant(_ row: AnalysedRow, by name: String) -> Bool {
      labels.contains(name) ? row.row.planned.label == name : row.cell.strategy == name
    }
    var sections: [ReportSection] = []
    var data: [DataTable] = []
    var looksAhead = false
    for results in experiments {
      let rows = ExperimentAnalysis(results).rows
      let pairs = rows.filter { isMeant($0, by: first) }.flatMap { row in
        rows.filter {
          isMeant($0, by: second) && $0.cell.model == row.cell.model
            && $0.row.planned.fullIdentity == row.row.planned.fullIdentity
            && $0.cell.identity != row.cell.identity
        }.map { other in
          ComparedPair(
            first: row, second: other,
            group: results.timingGroups.last {
              $0.counts(row.cell.identity) && $0.counts(other.cell.identity)
            }?.group)
        }
      }
      guard !pairs.isEmpty else { continue }
      let tables = PairTables(
        pairs: pairs, experiment: results.experiment.name,
        namesStrategies: !(labels.contains(first) && labels.contains(second)))
      looksAhead = looksAhead || pairs.contains(where: \.looksAhead)
      sections += tables.sections
      data.append(tables.data)
    }
    guard !sections.isEmpty else {
      throw ReportError(
        "\"\(first)\" and \"\(second)\" have no cell of the same experiment, model, length and task with results",
        advice: "Put both into one experiment and run it.")
    }
    self.init(
      title: "\(second) against \(first)", facts: [.init("A", first), .init("B", second)],
      sections: sections, legend: Self.pairLegend(looksAhead), data: data)
  }

  /// Paired differences of two runs: the cells that both measured, found again by model, length, label and task, so that
  /// runs of different numerics versions can be compared.
  ///
  /// Times stand side by side without ratios: they were not measured in one group.
  /// - Parameters:
  ///   - first, second: what one run measured itself.
  /// - Throws: ``ReportError`` where they have no cell in common.
  public init(
    comparingRun first: ExperimentResults, with second: ExperimentResults
  ) throws(ReportError) {
    let others = ExperimentAnalysis(second).rows
    let pairs = ExperimentAnalysis(first).rows.flatMap { row in
      others.filter { Self.place(of: $0) == Self.place(of: row) }
        .map { ComparedPair(first: row, second: $0, group: nil) }
    }
    let names = [first, second].map { results in
      results.runs.last.map {
        "run \($0.id) of \($0.experiment), \($0.startedAt), \($0.provenance.sourceState), \($0.provenance.cpu)"
      } ?? "an empty run"
    }
    guard !pairs.isEmpty else {
      throw ReportError(
        "\(names[0]) and \(names[1]) measured no cell in common",
        advice: "Compare runs of the same experiment; `tca-lab report` names the runs.")
    }
    let tables = PairTables(
      pairs: pairs, experiment: second.experiment.name, namesStrategies: true)
    self.init(
      title: "\(second.experiment.name): two runs",
      facts: [.init("A", names[0]), .init("B", names[1])], sections: tables.sections,
      legend: Self.pairLegend(pairs.contains(where: \.looksAhead)) + [
        "Times of two runs were measured apart, so no ratios are formed: the machine may have changed."
      ], data: [tables.data])
  }

  private struct Place: Hashable {
    var model: String
    var contextLength: Int
    var label: String
    var task: String
    var taskParameters: JSONValue
  }

  private static func place(of row: AnalysedRow) -> Place {
    Place(
      model: row.cell.model, contextLength: row.cell.contextLength,
      label: row.row.planned.label, task: row.task, taskParameters: row.cell.taskParameters)
  }

  private static func pairLegend(_ looksAhead: Bool) -> [String] {
    let marks =
      looksAhead
      ? [
        "† selectionLooksAhead: a selection saw the tokens that are scored; compare the continuation protocol."
      ] : []
    return [
      "Differences are B minus A, ratios B over A, on the same samples. ↓ lower is better, ↑ higher is better, – not "
        + "measured. In square brackets: 95 % bootstrap interval over units (\(NumberText.count(Bootstrap.draws)) "
        + "draws, seeded, stratified by sample); none for fewer than \(Bootstrap.leastUnits) units. In round brackets: "
        + "quartiles over repeats."
    ] + marks + ["Definitions of all figures: docs/measurement.md."]
  }
}

extension StoredTimingGroup {
  /// True where a cell has counted samples in the group.
  func counts(_ identity: String) -> Bool {
    group.samples.contains { $0.identity == identity && !$0.isWarmup }
  }
}
