import Records

/// Texts, or the tasks of a family, taken together: what one says of a method over all of them, and of each beside it.
extension ExperimentAnalysis {
  var pooledSection: ReportSection {
    let columns: [ColumnRule<PooledStrategy>] = [
      .words("model") { .text($0.pool.key.model) },
      .init("context") { .count($0.pool.key.contextLength) },
      .words("tasks") { .text($0.pool.title) },
      .words("strategy") { $0.cells[0].strategy },
      .init("KV cache ratio", .lower) { row in
        .number(row.pool.mean(row.label) { $0.row[.kvCacheResidentBytesRatio] }, .fixed(3))
      },
      .init("full, nats or score") { .number($0.toFull.first, .fixed($0.toFull.decimals)) },
      .init("strategy, nats or score") { .number($0.toFull.second, .fixed($0.toFull.decimals)) },
      .init("to full") { .difference($0.toFull) },
      .words("over") { .text($0.toFull.clusters) },
      .init("up / down / same") { "\($0.toFull.up) / \($0.toFull.down) / \($0.toFull.same)" },
      .words("worst") { .text($0.worstText) },
      .words("reference") { .text($0.toReference == nil ? "" : $0.reference ?? "") },
      .init("to the reference") { .difference($0.toReference) },
    ]
    return ReportSection(
      title: "All tasks of a kind together",
      text: [
        "Several cells together: the texts of perplexity (nats a token, lower is better), the tasks of a family (score, higher "
          + "is better). Each text counts once, with the mean of its windows: the interval says what other texts of such kinds "
          + "would give, and there is none for fewer than 4. Prompts of all tasks count alike. Worst: the text or task at which "
          + "the strategy loses most. Reference: the strategy whose use a budget matches; where there is one alone, others are "
          + "held to it as well. Only strategies with results in all of the cells; tasks at which full attention is at chance "
          + "(‡) are left out. The second table, of the same, has each text or task for itself: difference to full, with its "
          + "interval over windows where there are 8."
      ],
      tables: [ReportTable(pooledStrategies, columns)]
        + pools.filter(\.isPool).map { pool in
          pool.textTable(pooledStrategies.filter { $0.pool.key == pool.key })
        })
  }
}

/// One strategy over all cells of a pool.
struct PooledStrategy {
  let pool: Pool
  let label: String
  let cells: [AnalysedRow]
  let toFull: PairedDifference
  let reference: String?
  let toReference: PairedDifference?

  var worst: (name: String, difference: PairedDifference)? { pool.worst(label) }

  /// `code +0.0211`
  var worstText: String { pool.worstText(label) }
}

extension PairedDifference {
  /// More is worse, for likelihoods and scores alike.
  var loss: Double { figure == .score ? -mean : mean }
}

extension Pool {
  /// The text or task at which a strategy loses most against full, with its name.
  func worst(_ label: String) -> (name: String, difference: PairedDifference)? {
    zip(names, cells(of: label) ?? []).compactMap { name, cell in
      cell.difference.map { (name, $0) }
    }.max { $0.1.loss < $1.1.loss }
  }

  func worstText(_ label: String) -> String {
    worst(label).map { "\($0.name) \($0.difference.format.text($0.difference.mean))" } ?? ""
  }

  /// Every strategy but full, against full and against the one that it is held to.
  var pooledStrategies: [PooledStrategy] {
    guard let full else { return [] }
    let references = Set(labels.compactMap(reference(of:)))
    return labels.filter { $0 != full }.compactMap { label in
      guard let cells = cells(of: label), let toFull = difference(from: full, to: label) else {
        return nil
      }
      let only = references.count == 1 && !references.contains(label) ? references.first : nil
      let reference = reference(of: label) ?? only
      return PooledStrategy(
        pool: self, label: label, cells: cells, toFull: toFull, reference: reference,
        toReference: reference.flatMap { difference(from: $0, to: label) })
    }
  }

  /// A column for each text or task.
  fileprivate func textTable(_ strategies: [PooledStrategy]) -> ReportTable {
    let texts = names.indices.map { index in
      ColumnRule<PooledStrategy>(names[index]) { .difference($0.cells[index].difference) }
    }
    return ReportTable(
      strategies,
      [
        .words("model") { .text($0.pool.key.model) },
        .init("context") { .count($0.pool.key.contextLength) },
        .words("strategy") { $0.cells[0].strategy },
      ] + texts + [.words("worst") { .text($0.worstText) }])
  }
}
