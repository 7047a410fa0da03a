extension ExperimentAnalysis {
  /// What cannot be, or must be read with care.
  var flagSection: ReportSection {
    ReportSection("Read with care", items: flags)
  }

  /// One sentence for each; empty where nothing is wrong.
  public var flags: [String] {
    rows.flatMap { impossible($0) } + passedOracles + worseThanRandom + atChance + risingErrors
      + fewUnits + mixedProvenance + gaps
  }

  private var atChance: [String] {
    rows.filter { $0.row.isFull && $0.isAtChance }.map { analysed in
      let chance = analysed.row[.chanceLevel].map { ", chance \(NumberText.fixed($0, 2))" } ?? ""
      return
        "full attention is at chance, so differences mean nothing: \(analysed.cell.model) at "
        + "\(NumberText.count(analysed.cell.contextLength)), \(analysed.task), score "
        + "\(NumberText.fixed(analysed.row[.score], 2))\(chance)"
    }
  }

  /// Above this ratio a bound is broken beyond the slack of its check: 1e-5 M over 2 γ M with γ ≥ 1e-4.
  static let boundTolerance = 1.05

  private func impossible(_ analysed: AnalysedRow) -> [String] {
    guard !analysed.row.isFull else { return [] }
    var flags: [String] = []
    if let difference = analysed.difference, difference.verdict < 0 {
      let isScore = difference.figure == .score
      let text = NumberText.signed(difference.mean, isScore ? 3 : 4)
      let interval = NumberText.interval(difference.interval) {
        NumberText.signed($0, isScore ? 3 : 4)
      }
      flags.append(
        "better than full beyond its interval, which a sparse method should not be: \(analysed.place), "
          + "\(isScore ? "score" : "negative log-likelihood") \(text) \(interval)")
    }
    if let ratio = analysed.row[.boundRatio], ratio > Self.boundTolerance {
      flags.append(
        "error above its theoretical bound: \(analysed.place), bound ratio "
          + NumberText.fixed(ratio, 3))
    }
    if let density = analysed.row[.density], density > 0.95,
      analysed.row[.retainedFraction].map({ $0 > 0.95 }) ?? true,
      // A method that selects in decode only is dense in the prefill and binds all the same.
      analysed.row[.decodeDensity].map({ $0 > 0.95 }) ?? true
    {
      flags.append(
        "not binding, hardly anything was left out: \(analysed.place), density "
          + NumberText.fixed(density, 3))
    }
    return flags
  }

  /// Pairs of cells that differ in one budget-like parameter, where the one that attends to more errs more.
  private var risingErrors: [String] {
    var flags: [String] = []
    for (index, one) in rows.enumerated() where !one.row.isFull {
      for other in rows[(index + 1)...] where isSibling(one, other) {
        guard
          let density = one.row[.nominalDensity], let otherDensity = other.row[.nominalDensity],
          let error = one.row[.relativeOutputError],
          let otherError = other.row[.relativeOutputError]
        else { continue }
        let (less, more) = density < otherDensity ? (one, other) : (other, one)
        let (lessError, moreError) =
          density < otherDensity ? (error, otherError) : (otherError, error)
        if abs(density - otherDensity) > 0.01, moreError > 1.02 * lessError {
          flags.append(
            "error rises with the budget: \(more.place), \(NumberText.significant(moreError)) at nominal density "
              + "\(NumberText.fixed(max(density, otherDensity), 3)) against \(NumberText.significant(lessError)) of "
              + "\(less.row.planned.label) at \(NumberText.fixed(min(density, otherDensity), 3))")
        }
      }
    }
    return flags
  }

  private func isSibling(_ one: AnalysedRow, _ other: AnalysedRow) -> Bool {
    guard
      one.row.planned.fullIdentity == other.row.planned.fullIdentity,
      one.cell.model == other.cell.model, one.cell.strategy == other.cell.strategy,
      let parameters = one.cell.strategyParameters.objectValue,
      let otherParameters = other.cell.strategyParameters.objectValue
    else { return false }
    let keys = Set(parameters.keys).union(otherParameters.keys)
    let differing = keys.filter { parameters[$0] != otherParameters[$0] }
    return differing.count == 1 && differing.isSubset(of: ["budget", "threshold"])
  }

  private var fewUnits: [String] {
    var seen: [String] = []
    for analysed in rows {
      guard let difference = analysed.difference, difference.unitCount < Bootstrap.leastUnits
      else { continue }
      let text = "\(analysed.task) (\(difference.unitCount))"
      if !seen.contains(text) { seen.append(text) }
    }
    if seen.isEmpty { return [] }
    return [
      "fewer than \(Bootstrap.leastUnits) units, so no intervals: \(seen.joined(separator: ", "))"
    ]
  }

  private var mixedProvenance: [String] {
    var flags: [String] = []
    let sources = Set(runsBehind.map(\.provenance.sourceState))
    if sources.count > 1 {
      flags.append(
        "figures come from \(sources.count) states of the source: \(sources.sorted().joined(separator: ", "))"
      )
    }
    let changed = sources.filter { $0.contains("dirty") || $0.contains("changed") }
    if !changed.isEmpty {
      flags.append(
        "built from files that differ from the commit: \(changed.sorted().joined(separator: ", "))")
    }
    let groups = Set(results.timingGroups.map(\.run))
    let machines = Set(runsBehind.filter { groups.contains($0.id) }.map(\.provenance.cpu))
    if machines.count > 1 {
      flags.append(
        "times come from \(machines.count) kinds of machine; only ratios compare: "
          + machines.sorted().joined(separator: ", "))
    }
    return flags
  }

  private var gaps: [String] {
    let missing = rows.count { $0.row.kinds.isEmpty }
    let failed = rows.count { $0.row.failure != nil }
    var flags: [String] = []
    if missing > 0 {
      flags.append("\(missing) of \(rows.count) cells have no results yet")
    }
    if failed > 0 { flags.append("\(failed) of \(rows.count) cells failed; see Failures") }
    return flags
  }
}
