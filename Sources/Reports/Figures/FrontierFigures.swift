import Records

/// What is paid in quality for fewer bytes, for a sooner next token and for a sooner first one.
struct FrontierFigures {
  let analysis: ExperimentAnalysis
  let points: [ParetoPoint]
  let styles: StrategyStyles

  /// What a strategy is to save.
  private enum Price: CaseIterable {
    case bytes, nextToken, firstToken

    var name: String {
      switch self {
      case .bytes: "quality-and-bytes"
      case .nextToken: "quality-and-next-token"
      case .firstToken: "quality-and-first-token"
      }
    }

    var title: String {
      switch self {
      case .bytes: "What does it cost to hold fewer KV bytes?"
      case .nextToken: "What does a sooner next token cost?"
      case .firstToken: "What does a sooner first token cost?"
      }
    }

    var figure: TimeFigure? {
      switch self {
      case .bytes: nil
      case .nextToken: .timePerOutputToken
      case .firstToken: .timeToFirstToken
      }
    }
  }

  /// Quality against bytes where the answer is looked for.
  var leading: ReportFigure? {
    chart(.bytes, analysis.leadingKind).map { ReportFigure(name: "frontier", chart: $0) }
  }

  /// All but the leading one, for each kind of task.
  var others: [ReportFigure] {
    let leading = Set(analysis.leadingKind.map(\.key))
    let kinds = analysis.pools.grouped { [$0.key.kind, "\($0.key.queryAware)"] }.map(\.elements)
    let found = kinds.flatMap { pools in
      Price.allCases.compactMap { price -> (name: String, chart: TradeOffChart)? in
        if price == .bytes, pools.contains(where: { leading.contains($0.key) }) { return nil }
        return chart(price, pools).map { (price.name, $0) }
      }
    }
    let counts = Dictionary(grouping: found, by: \.name).mapValues(\.count)
    var used: [String: Int] = [:]
    return found.map { name, chart in
      used[name, default: 0] += 1
      let isOnly = counts[name] == 1
      return ReportFigure(name: isOnly ? name : "\(name)-\(used[name] ?? 0)", chart: chart)
    }
  }

  /// Nil where no pool has two points.
  private func chart(_ price: Price, _ pools: [Pool]) -> TradeOffChart? {
    let shown = pools.map { pool in (pool, points.filter { $0.pool.key == pool.key }) }
    let panels = shown.map { pool, points in
      TradeOffChart.Panel(
        title: pool.panelTitle,
        points: points.compactMap { point($0, price) })
    }
    let losses = panels.flatMap(\.points).map(\.loss)
    let isScored = pools.first?.isScored ?? false
    let differences = shown.flatMap(\.1).compactMap(\.toFull)
    let loss = Self.lossAxis(losses, isScored: isScored)
    var chart = TradeOffChart(
      title: price.title,
      caption: [
        analysis.caption(pools), analysis.intervalWords(differences) + loss.note,
        price == .bytes
          ? pools.compactMap(\.byteShare?.explanation).uniqued.joined(separator: " ") : "",
        "Dashed: the least loss for a price. Grey: dominated, something else costs no more and loses less beyond chance.",
        Self.colourWords(panels), Pool.laterWords(pools),
      ].filter { !$0.isEmpty }.joined(separator: " "),
      price: axis(price, pools), loss: loss, panels: panels)
    if chart.panels.isEmpty { return nil }
    chart.caption += chart.overlapWords
    return chart
  }

  /// Which series are grey though nothing dominates them; "" where there is none.
  private static func colourWords(_ panels: [TradeOffChart.Panel]) -> String {
    let names = panels.flatMap(\.points).filter { !$0.isDominated && $0.style.colour == nil }
      .map(\.name).uniqued
    if names.isEmpty { return "" }
    return "Not dominated and grey all the same, for there are \(SeriesStyle.colourCount) colours: "
      + names.joined(separator: ", ") + "."
  }

  private func axis(_ price: Price, _ pools: [Pool]) -> ValueAxis {
    switch price {
    case .bytes:
      let words = pools.compactMap(\.byteShare?.words).uniqued.joined(separator: " or ")
      let reference = pools.map(\.byteReference).uniqued.joined(separator: " or ")
      return .init(
        label: "← better: \(words), % of \(reference), log scale", kind: .logarithmic,
        ticks: (-8...4).flatMap { exponent in
          // 25, 37.5, 50, 75 % …
          [1, 1.5].map { Double(sign: .plus, exponent: exponent, significand: $0) }
        },
        isShare: true)
    case .nextToken:
      return .init(
        label: "← better: time to the next token, ratio to full, log scale", kind: .logarithmic)
    case .firstToken:
      return .init(
        label: "← better: time to the first token, ratio to full, log scale", kind: .logarithmic)
    }
  }

  /// Where most losses are far smaller than the largest, a logarithmic scale on both sides of 0.
  static func lossAxis(_ losses: [Double], isScored: Bool) -> ValueAxis {
    let sizes = losses.map(abs).filter { $0 > 0 }
    let most = sizes.max() ?? 1
    let isUneven = (sizes.quantile(0.5) ?? most) < most / 8
    return ValueAxis(
      label: isScored ? "score lost (less is better)" : "loss, nats a token (less is better)",
      kind: isUneven ? .signedLogarithmic(linearBelow: most / 100) : .linear)
  }

  private func point(_ point: ParetoPoint, _ price: Price) -> TradeOffChart.Point? {
    let ratio = price.figure.flatMap { figure in
      point.pool.full.flatMap { point.pool.timeRatio(figure, of: point.label, to: $0) }
    }
    // Full's own time is what the others are held against, where anything was timed.
    let time = point.isFull ? ratio.map { _ in 1 } : ratio?.median
    guard let value = price == .bytes ? point.share : time, point.isFull || point.toFull != nil
    else { return nil }
    let difference = point.toFull
    return TradeOffChart.Point(
      label: point.label, name: point.row.seriesName, style: styles.style(of: point.row),
      price: value, loss: difference?.loss ?? 0,
      priceInterval: point.isFull ? nil : ratio?.interval,
      lossInterval: difference?.lossInterval, isDominated: !point.dominators.isEmpty,
      isReference: point.isFull,
      hover: hover(point, price, ratio))
  }

  /// `snapkv: 25.1 % of the float16 cache, +0.1234 nats a token [+0.1, +0.2] over 5 texts; dominated by h2o`
  private func hover(_ point: ParetoPoint, _ price: Price, _ ratio: Spread?) -> String {
    var parts: [String] = []
    if let share = point.share {
      parts.append("\(NumberFormat.fixed(1).text(100 * share)) % of \(point.pool.byteReference)")
    }
    if let ratio, !point.isFull, price != .bytes {
      parts.append("time \(ReportCell.median(ratio, .fixed(3)).plainText) of full's")
    }
    parts.append(point.toFull.map { $0.lossWords } ?? "what others are compared with")
    let dominators = point.dominators.map(\.text).joined(separator: ", ")
    return "\(point.label): \(parts.joined(separator: ", "))"
      + (dominators.isEmpty ? "" : "; dominated by \(dominators)")
  }
}
