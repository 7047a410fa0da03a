import Records

/// The contrasts that the spec names, and nothing else, decide what an experiment says.
extension ExperimentAnalysis {
  var primarySection: ReportSection {
    let tested = primaryContrasts
    let leading = leadingPools.map(\.key)
    let columns: [ColumnRule<TestedContrast>] = [
      .words("model") { .text($0.pool.key.model) },
      .init("context") { .count($0.pool.key.contextLength) },
      .words("task") { .text($0.pool.title) },
      .words("A") { .text($0.contrast.first) }, .words("B") { .text($0.contrast.second) },
      .init("KV bytes of A") { .number($0.pool.byteShare(of: $0.contrast.first), .fixed(3)) },
      .init("of B") { .number($0.pool.byteShare(of: $0.contrast.second), .fixed(3)) },
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
        "The contrasts that the spec names: nats a token (lower is better) or score (higher is better), B minus A. KV bytes "
          + "are a share of full's, as in the table above; where they differ a smaller loss is a trade, not a win at equal size. p is "
          + "corrected by Holm over the contrasts of one model, length and kind of task; the interval has the level at which the "
          + "correction tests it. Up, down, same: the texts (or windows, or prompts) where B is above A, below it, or equal. B or A "
          + "is better where the corrected p is below 0.05, over fewer than 8 windows a text also with one sign in all texts but "
          + "one. All other comparisons of this report are exploratory: they say where to look, and decide nothing."
      ], tables: [ReportTable(tested, columns)],
      // Those of the answer are said there.
      items: primaryClaims { tested in !leading.contains { $0 == tested.pool.key } })
  }

  /// The named contrasts wherever both strategies have results that say what they do, corrected for their number at each
  /// place.
  static func tested(_ named: [PrimaryContrast], in pools: [Pool]) -> [TestedContrast] {
    pools.flatMap { pool -> [TestedContrast] in
      let found = named.compactMap { contrast -> TestedContrast? in
        guard pool.compared.contains(contrast.first), pool.compared.contains(contrast.second)
        else { return nil }
        return pool.difference(from: contrast.first, to: contrast.second).map {
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

  /// What the named contrasts say where the answer is looked for, a sentence each; nil without any.
  func primaryAnswer(in pools: [Pool]) -> ReportAnswer? {
    let claims = primaryClaims { tested in pools.contains { $0.key == tested.pool.key } }
    return claims.isEmpty
      ? nil
      : ReportAnswer(
        question: "What do the contrasts say that were named beforehand?", statements: claims)
  }

  /// A sentence for each contrast, length and kind of task.
  private func primaryClaims(_ isMeant: (TestedContrast) -> Bool) -> [String] {
    let models = Set(rows.map(\.cell.model)).count
    return primaryContrasts.filter(isMeant).groupedByNames {
      [$0.contrast.first, $0.contrast.second, "\($0.pool.key.contextLength)", $0.pool.title]
    }.map { Self.claim($0, ofModels: models) }
  }

  /// Who does better is said where all models agree, there is more than one, and no more than one text says otherwise.
  /// Differences are those of the better one, else of the second, to the other.
  private static func claim(_ tested: [TestedContrast], ofModels models: Int) -> String {
    let (contrast, pool) = (tested[0].contrast, tested[0].pool)
    let (first, second) = ("\"\(contrast.first)\"", "\"\(contrast.second)\"")
    let decided = tested.filter { $0.verdict != 0 }
    let verdicts = Set(decided.map(\.verdict))
    let isFirst = verdicts == [1]
    let does = tested[0].difference.figure == .score ? "scores more than" : "loses less than"
    let better = isFirst ? "\(first) \(does) \(second)" : "\(second) \(does) \(first)"
    let names = decided.map(\.pool.key.model).joined(separator: ", ")
    let isAgainstTexts = decided.contains {
      $0.difference.clusterKind == .text && !$0.difference.isSameInAllButOne
    }
    let verdict =
      switch (verdicts.count, decided.count) {
      case (0, _): "\(first) and \(second) are not told apart"
      case (2, _): "the models contradict each other about \(first) and \(second)"
      case (_, models) where models > 1: better
      case _ where models == 1: "\(better), on one model, which is not enough for a finding"
      default: "\(better) on \(names), decided on no other of \(models) models"
      }
    let evidence = tested.map { $0.words(ofFirst: isFirst) }.joined(separator: "; ")
    return verdict + (isAgainstTexts ? ", against the sign of more than one text" : "")
      + " (at \(NumberFormat.counted(pool.key.contextLength, "token")), \(pool.title)"
      + (verdicts.count == 1 ? "" : "; the second against the first") + "): \(evidence)."
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

  /// `smollm2-135m -0.0652 nats a token [-0.1294, -0.0010], corrected p 0.0474, with 0.383 of the bytes against 0.281`
  func words(ofFirst isFirst: Bool) -> String {
    let (one, other) =
      isFirst ? (contrast.first, contrast.second) : (contrast.second, contrast.first)
    let shares = [one, other].compactMap(pool.byteShare(of:)).map(NumberFormat.fixed(3).text)
    let sign: Double = isFirst ? -1 : 1
    let value = difference.format.text(sign * difference.mean)
    let unit = difference.figure == .score ? "" : " nats a token"
    let interval = interval.map {
      isFirst ? Interval(low: -$0.high, high: -$0.low) : $0
    }
    let p = corrected.map { ", corrected p \(NumberFormat.significant.text($0.pValue))" }
    return "\(pool.key.model) \(value)\(unit)"
      + (interval.map { " \(difference.format.text($0))" } ?? "")
      + (p ?? ", too few \(difference.clusterKind.rawValue)s for a test")
      + (shares.count == 2 ? ", with \(shares[0]) of the bytes against \(shares[1])" : "")
  }

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
