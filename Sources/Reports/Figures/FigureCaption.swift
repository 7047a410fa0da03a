import Records

/// What a figure has to say of where it comes from.
extension ExperimentAnalysis {
  /// `smollm2-135m-instruct (SmolLM2-135M-Instruct.Q4_1.gguf); perplexity/continuation, 5 texts: kjv, code …`
  func caption(_ pools: [Pool]) -> String {
    let models = pools.compactMap { pool in pool.full.flatMap { pool.cells(of: $0)?.first } }
      .map(modelWords).uniqued
    let texts = pools.map { pool in
      "\(pool.key.kind), \(NumberFormat.counted(pool.names.count, pool.noun)): "
        + pool.names.joined(separator: ", ")
    }.uniqued
    return (models + texts).joined(separator: "; ") + "."
  }

  /// The same of rows that are no pools.
  func caption(_ rows: [AnalysedRow]) -> String {
    (rows.map(modelWords).uniqued + rows.map(\.task).uniqued).joined(separator: "; ") + "."
  }

  /// The model, its file and the layers that strategies act on; the file's digest where nothing is known of it.
  private func modelWords(_ row: AnalysedRow) -> String {
    let model = background.models[row.cell.modelDigest]
    let file = model?.file ?? "weights SHA-256 \(row.cell.modelDigest.prefix(12))"
    return "\(row.cell.model) (\([file, model?.reach].compactMap(\.self).joined(separator: "; ")))"
  }

  /// What intervals generalise over, or why there are none.
  func intervalWords(_ differences: [PairedDifference]) -> String {
    let clusters = differences.map(\.clusters).uniqued.joined(separator: ", ")
    guard let first = differences.first else { return "" }
    if first.figure == .score {
      return
        "Marks are hollow, for scores have an exact test in place of an interval, over \(clusters): tables give its p."
    }
    return differences.contains { $0.interval != nil }
      ? "Whiskers: 95 % intervals over \(clusters)"
        + (differences.allSatisfy { $0.interval != nil } ? "." : "; hollow marks have none.")
      : "No intervals: \(clusters), fewer than \(first.clusterKind.least)."
  }

  /// Which rows a figure has no room for; "" where all are shown.
  static func leftOutWords(_ shown: [AnalysedRow], of rows: [AnalysedRow]) -> String {
    let labels = Set(shown.map(\.label))
    return leftOutWords(shown.count, rows.map(\.label).filter { !labels.contains($0) }.uniqued)
  }

  /// ` Room for 4 strategies, those in colour elsewhere first: without h2o, tova.`
  static func leftOutWords(_ room: Int, _ left: [String]) -> String {
    if left.isEmpty { return "" }
    let words = NumberFormat.counted(room, "strategy", plural: "strategies")
    return " Room for \(words), those in colour elsewhere first: without "
      + left.joined(separator: ", ") + "."
  }
}
