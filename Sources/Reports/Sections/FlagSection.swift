import Records

extension ExperimentAnalysis {
  /// What cannot be, or must be read with care.
  var flagSection: ReportSection {
    ReportSection(title: "Read with care", items: flags)
  }

  /// One sentence for each; empty where nothing is wrong.
  public var flags: [String] {
    rows.flatMap { impossible($0) } + betterThanFull + passedOracles + worseThanControl
      + flippedOrders + atChance + risingErrors + fewClusters + unsteadyGroups + disturbedGroups
      + mixedProvenance
      + gaps
  }

  private var atChance: [String] {
    rows.filter { $0.row.isFull && $0.isAtChance }.map { analysed in
      let two = NumberFormat.fixed(2)
      let chance = analysed.row[.chanceLevel].map { ", chance \(two.text($0))" } ?? ""
      return
        "full attention is at chance, so differences mean nothing: \(analysed.cell.model) at "
        + "\(NumberFormat.count(analysed.cell.contextLength)), \(analysed.task), score "
        + "\(two.text(analysed.row[.score]))\(chance)"
    }
  }

  /// Beyond the slack of the bound's check: 1e-5 M over 2 γ M with γ ≥ 1e-4.
  static let boundTolerance = 1.05

  private func impossible(_ analysed: AnalysedRow) -> [String] {
    guard !analysed.row.isFull else { return [] }
    let three = NumberFormat.fixed(3)
    var flags: [String] = []
    if let ratio = analysed.row[.boundRatio], ratio > Self.boundTolerance {
      flags.append(
        "error above its theoretical bound: \(analysed.place), bound ratio \(three.text(ratio))")
    }
    if let shares = looseShares(analysed) {
      flags.append("not binding, hardly anything was left out: \(analysed.place), \(shares)")
    }
    return flags
  }

  /// More than this of what there is counts as nearly all.
  private static let nearlyAll = 0.95

  /// What a strategy attended to and kept where that is nearly all in every phase; nil where it left something out, or
  /// where that is not known.
  ///
  /// Pairs are those that it selected: those that the kernel computed have hidden halves of tiles in them, and are more than
  /// all there are on short prompts, whatever was selected. Full in another format is not meant to bind.
  private func looseShares(_ analysed: AnalysedRow) -> String? {
    let row = analysed.row
    // Nothing is decoded after a prompt that is scored itself.
    let decoded =
      row[.decodeNominalDensity] ?? (analysed.cell.taskProtocol == "prefill" ? 1 : nil)
    guard analysed.cell.strategyRole != .reference, let selected = row[.nominalDensity],
      let kept = row[.retainedFraction], let decoded,
      [selected, kept, decoded].allSatisfy({ $0 > Self.nearlyAll }),
      // Tokens that stay may have given up their bits.
      row[.kvCacheLogicalBytesRatio] ?? 1 > Self.nearlyAll
    else { return nil }
    let three = NumberFormat.fixed(3)
    let decode = row[.decodeNominalDensity].map { ", in decode \(three.text($0))" } ?? ""
    return "nominal density \(three.text(selected))\(decode), tokens kept \(three.text(kept))"
  }

  /// Pairs that differ in one budget-like parameter, where the one that attends to more errs more.
  private var risingErrors: [String] {
    typealias Point = (row: AnalysedRow, density: Double, error: Double)
    let points = rows.compactMap { row -> Point? in
      guard !row.row.isFull, let density = row.row[.nominalDensity],
        let error = row.row[.relativeOutputError]
      else { return nil }
      return (row, density, error)
    }
    let tasks = Dictionary(grouping: points.indices) { points[$0].row.row.planned.fullIdentity }
    let (error, density) = (NumberFormat.significant, NumberFormat.fixed(3))
    return points.indices.flatMap { index -> [String] in
      let one = points[index]
      let later = (tasks[one.row.row.planned.fullIdentity] ?? []).filter { $0 > index }
      return later.map { points[$0] }.compactMap { other in
        let (less, more) = one.density < other.density ? (one, other) : (other, one)
        guard isSibling(one.row, other.row), more.density - less.density > 0.01,
          more.error > 1.02 * less.error
        else { return nil }
        return
          "error rises with the budget: \(more.row.place), \(error.text(more.error)) at nominal density "
          + "\(density.text(more.density)) against \(error.text(less.error)) of "
          + "\(less.row.label) at \(density.text(less.density))"
      }
    }
  }

  private func isSibling(_ one: AnalysedRow, _ other: AnalysedRow) -> Bool {
    guard one.cell.model == other.cell.model, one.cell.strategy == other.cell.strategy,
      let parameters = one.cell.strategyParameters.objectValue,
      let otherParameters = other.cell.strategyParameters.objectValue
    else { return false }
    let keys = Set(parameters.keys).union(otherParameters.keys)
    let differing = keys.filter { parameters[$0] != otherParameters[$0] }
    return differing.count == 1 && differing.isSubset(of: ["budget", "threshold"])
  }

  /// At single tasks and over all texts together.
  private var betterThanFull: [String] {
    let single = rows.compactMap { row in row.difference.map { (row.place, $0) } }
    let pooled = pooledStrategies.map {
      ("\($0.label), \($0.pool.key.model), \($0.pool.title)", $0.toFull)
    }
    return (single + pooled).filter { $0.1.verdict < 0 }.map { place, difference in
      "better than full beyond chance, which a sparse method should not be: \(place), "
        + "\(difference.figure == .score ? "score" : "negative log-likelihood") "
        + ReportCell.difference(difference).plainText
    }
  }

  /// Likelihoods without an interval: of single texts where no pool of theirs has one, and of pools.
  private var fewClusters: [String] {
    let seen = pools.compactMap { pool -> String? in
      guard let full = pool.full, let difference = pool.difference(from: full, to: full),
        difference.figure == .negativeLogLikelihood, difference.standardError == nil
      else { return nil }
      return "\(pool.title) (\(difference.clusters))"
    }.uniqued
    return seen.isEmpty
      ? []
      : [
        "fewer than \(PairedDifference.ClusterKind.window.least) windows of a text, or fewer than "
          + "\(PairedDifference.ClusterKind.text.least) texts, so no intervals: "
          + seen.joined(separator: ", ")
      ]
  }

  /// One for each figure of a group in which full differs from itself.
  private var unsteadyGroups: [String] {
    rows.filter { $0.row.isFull }.flatMap { analysed in
      (analysed.timing?.group.unsteady ?? []).map { name, ratio in
        "full differs from itself in time, so ratios of this group may be off as much: \(analysed.cell.model) at "
          + "\(NumberFormat.count(analysed.cell.contextLength)), \(analysed.task), \(name) "
          + ReportCell.median(ratio, .fixed(3)).plainText
      }
    }
  }

  private var disturbedGroups: [String] {
    rows.filter(\.row.isFull).compactMap { analysed in
      guard let share = analysed.timing?.group.othersShare,
        share > MetricCatalogue.undisturbedShare
      else { return nil }
      return
        "times were disturbed: other processes took \(NumberFormat.fixed(0).text(100 * share)) % of the cores, "
        + "\(analysed.cell.model) at \(NumberFormat.count(analysed.cell.contextLength)), \(analysed.task)"
    }
  }

  private var mixedProvenance: [String] {
    func list(_ words: [String]) -> String { words.joined(separator: ", ") }
    var flags: [String] = []
    let sources = Set(runsBehind.map(\.provenance.sourceState)).sorted()
    if sources.count > 1 {
      flags.append("figures come from \(sources.count) states of the source: \(list(sources))")
    }
    let changed = sources.filter { $0.contains("dirty") || $0.contains("changed") }
    if !changed.isEmpty {
      flags.append("built from files that differ from the commit: \(list(changed))")
    }
    let origins = rows.compactMap { row in row.timing?.group.origin.map { ($0, row) } }
      .grouped(\.0)
    if origins.count > 1 {
      let lines = origins.map { origin, rows in
        "\(NumberFormat.counted(rows.count, "cell")) on \(origin.machine), built from \(origin.build) ("
          + rows.map {
            "\($0.1.cell.model) at \(NumberFormat.count($0.1.cell.contextLength)), \($0.1.task)"
          }
          .uniqued.joined(separator: "; ") + ")"
      }
      flags.append(
        "times come from \(origins.count) machines or builds, and are compared and pooled inside each only: "
          + lines.joined(separator: "; "))
    }
    return flags
  }

  private var gaps: [String] {
    let missing = rows.count { $0.row.kinds.isEmpty }
    let failed = rows.filter { $0.row.failure != nil }
    let cells = NumberFormat.counted(rows.count, "cell")
    var gaps: [String] = []
    if missing > 0 {
      gaps.append("\(missing) of \(cells) \(rows.count == 1 ? "has" : "have") no results yet")
    }
    if !failed.isEmpty {
      gaps.append("\(failed.count) of \(cells) failed: \(Self.reasons(failed))")
    }
    return gaps
  }

  /// Why cells failed, with the first place of each reason; of many reasons the first few.
  private static func reasons(_ failed: [AnalysedRow]) -> String {
    let reasons = failed.grouped { $0.row.failure?.reason ?? "" }
    let shown = reasons.prefix(3).map { reason, rows in
      let others = rows.count > 1 ? " and \(rows.count - 1) more" : ""
      return "\(reason) (\(rows[0].place)\(others))"
    }
    let left = reasons.count - shown.count
    return shown.joined(separator: "; ")
      + (left > 0 ? "; and \(NumberFormat.counted(left, "other reason"))" : "")
  }
}
