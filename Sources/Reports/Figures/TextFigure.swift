extension ExperimentAnalysis {
  /// Where it breaks: what strategies lose text by text; nil for single texts.
  func textFigure(_ points: [ParetoPoint], _ styles: StrategyStyles) -> ReportFigure? {
    let pools = leadingPools.filter(\.isPool)
    let own = points.filter { point in pools.contains { $0.key == point.pool.key } }
    let labels = ShownStrategies(own, styles).labels
    let rows = labels.compactMap { label in own.first { $0.label == label }?.row }
    let shown = Set(rows.map(\.seriesName))
    let left = own.filter { !$0.isFull && !shown.contains($0.row.seriesName) }
      .map(\.row.seriesName).uniqued
    let panels = pools.map { pool in
      DotChart.Panel(
        title: pool.panelTitle,
        rows: pool.names.indices.map { Self.row($0, of: pool, labels) })
    }
    // The bytes of each: some stand beside others that hold half as much.
    let shares = labels.compactMap { label in
      own.first { $0.label == label }?.share.map {
        "\(label) \(NumberFormat.fixed(0).text(100 * $0)) %"
      }
    }
    let isScored = pools.first?.isScored ?? false
    let differences = pools.flatMap { pool in
      labels.flatMap { (pool.cells(of: $0) ?? []).compactMap(\.difference) }
    }
    let losses = panels.flatMap(\.rows).flatMap(\.marks).map(\.loss)
    let axis = FrontierFigures.lossAxis(losses, isScored: isScored)
    let chart = DotChart(
      title: pools.first?.noun == "task"
        ? "At which task does it break?" : "On which text does it break?",
      caption: [
        caption(pools), intervalWords(differences) + axis.note,
        "Of each strategy the budget nearest to a quarter of full's bytes from below, or else its least"
          + (shares.isEmpty ? "." : ": \(shares.joined(separator: ", "))."),
      ].joined(separator: " ") + Self.leftOutWords(labels.count, left),
      axis: axis,
      strategies: zip(labels, rows).map { .init(label: $0, style: styles.style(of: $1)) },
      panels: panels)
    return chart.panels.isEmpty ? nil : ReportFigure(name: "texts", chart: chart)
  }

  private static func row(_ index: Int, of pool: Pool, _ labels: [String]) -> DotChart.Row {
    let marks = labels.enumerated().compactMap { place, label -> DotChart.Mark? in
      guard let difference = pool.cells(of: label)?[index].difference else { return nil }
      return DotChart.Mark(
        strategy: place, loss: difference.loss, interval: difference.lossInterval,
        hover: "\(label), \(pool.names[index]): \(difference.lossWords)")
    }
    return DotChart.Row(name: pool.names[index], marks: marks)
  }
}

extension PairedDifference {
  /// More is worse, for likelihoods and scores alike.
  var lossInterval: Interval? {
    interval.map { figure == .score ? Interval(low: -$0.high, high: -$0.low) : $0 }
  }
}
