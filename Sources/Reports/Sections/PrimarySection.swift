import Records

/// The contrasts that the spec names, and nothing else, decide what an experiment says.
extension ExperimentAnalysis {
  var primarySection: ReportSection {
    let tested = primaryContrasts
    let columns: [ColumnRule<TestedContrast>] = [
      .words("model") { .text($0.pool.key.model) },
      .init("context") { .count($0.pool.key.contextLength) },
      .words("task") { .text($0.pool.title) },
      .words("A") { .text($0.contrast.first) }, .words("B") { .text($0.contrast.second) },
      .init("B − A") { .number($0.difference.mean, $0.difference.format) },
      .init("corrected interval") { tested in
        tested.interval.map { ReportCell(.interval($0, tested.difference.format)) } ?? .missing
      },
      .init("p") { .number($0.difference.pValue, .significant) },
      .init("corrected p") { .number($0.corrected?.pValue, .significant) },
      .words("over") { .text($0.difference.clusters) },
      .init("up / down / same") {
        "\($0.difference.up) / \($0.difference.down) / \($0.difference.same)"
      },
      .words("better") { .text($0.better) },
    ]
    return ReportSection(
      title: "Primary contrasts",
      text: [
        "The contrasts that the spec names as primary: nats a token (lower is better) or score (higher is better), B minus A. p is "
          + "corrected by Holm over the contrasts of one model, length and kind of task; the interval has the level at which the "
          + "correction tests it. Of texts with fewer than 8 windows the sign has to be the same in all but one as well. Who "
          + "wins is said below, where all models agree and all texts but one. All other comparisons of this report are "
          + "exploratory: they say where to look, and decide nothing."
      ], tables: [ReportTable(tested, columns)], items: primaryClaims(tested))
  }

  /// The named contrasts wherever both strategies have results, corrected for their number at each place.
  static func tested(_ named: [PrimaryContrast], in pools: [Pool]) -> [TestedContrast] {
    pools.flatMap { pool -> [TestedContrast] in
      let found = named.compactMap { contrast in
        pool.difference(from: contrast.first, to: contrast.second).map {
          TestedContrast(pool: pool, contrast: contrast, difference: $0)
        }
      }
      // What cannot be tested is no part of the family.
      let testable = found.indices.filter { found[$0].difference.pValue != nil }
      let corrected = Holm.corrected(testable.compactMap { found[$0].difference.pValue })
      return found.indices.map { index in
        var contrast = found[index]
        contrast.corrected = testable.firstIndex(of: index).map { corrected[$0] }
        return contrast
      }
    }
  }

  /// One sentence for each contrast, length and kind of task: who wins is said where all models agree, and there is more
  /// than one.
  private func primaryClaims(_ tested: [TestedContrast]) -> [String] {
    tested.groupedByNames {
      [
        $0.contrast.first, $0.contrast.second, "\($0.pool.key.contextLength)", $0.pool.title,
      ]
    }.map { tested in
      let (contrast, pool) = (tested[0].contrast, tested[0].pool)
      let place = "at \(NumberFormat.count(pool.key.contextLength)) tokens, \(pool.title)"
      let decided = tested.filter { $0.verdict != 0 }
      let verdicts = Set(tested.map(\.verdict))
      let isInAllTexts = tested.allSatisfy {
        $0.difference.clusterKind != .text || $0.difference.isSameInAllButOne
      }
      if tested.count > 1, verdicts.count == 1, let verdict = verdicts.first, verdict != 0,
        isInAllTexts
      {
        let (winner, loser) =
          verdict < 0 ? (contrast.second, contrast.first) : (contrast.first, contrast.second)
        return "\(winner) wins over \(loser) \(place), on all \(tested.count) models"
      }
      return
        "nobody wins, \(contrast.first) and \(contrast.second) \(place): decided on \(decided.count) of "
        + "\(tested.count) model\(tested.count == 1 ? "" : "s")"
        + (tested.count == 1 ? ", and one model is not enough" : "")
        + (isInAllTexts ? "" : ", against the sign of more than one text")
    }
  }

  /// The tasks, by their cell of full, that pools take together.
  var pooledTasks: Set<String> { Set(pools.filter(\.isPool).flatMap(\.tasks)) }

  /// What tells primary from exploratory comparisons.
  var primaryLabels: PrimaryLabels { PrimaryLabels(results.experiment.primary) }
}

/// A named contrast at one place.
struct TestedContrast {
  let pool: Pool
  let contrast: PrimaryContrast
  /// B − A.
  let difference: PairedDifference
  /// Nil where there are too few clusters for a test.
  var corrected: Holm.Corrected?

  /// At the level of the correction; nil for scores.
  var interval: Interval? { corrected.flatMap { difference.interval(level: $0.level) } }

  /// -1 where B is better, 1 where A is.
  var verdict: Int { difference.verdict(pValue: corrected?.pValue) }

  var better: String {
    guard corrected != nil else { return "not known" }
    return ["B", "not decided", "A"][verdict + 1]
  }
}

/// The pairs of labels that are primary, in either order.
struct PrimaryLabels {
  private let pairs: Set<Set<String>>

  init(_ contrasts: [PrimaryContrast]) {
    pairs = Set(contrasts.map { [$0.first, $0.second] })
  }

  func contains(_ first: String, _ second: String) -> Bool { pairs.contains([first, second]) }

  func word(_ first: String, _ second: String) -> ReportCell {
    contains(first, second) ? "primary" : "exploratory"
  }

  /// Of a strategy against full.
  func word(_ row: AnalysedRow) -> ReportCell { word(row.label, row.fullLabel ?? "") }
}
