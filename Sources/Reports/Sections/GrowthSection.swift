import Records

extension ExperimentAnalysis {
  /// How time and memory grow with the context: fitted exponents, and time beside the density that it should follow.
  ///
  /// Empty for an experiment of fewer than three context lengths.
  var growthSection: ReportSection {
    let title = "Growth with the context length"
    guard Set(rows.map(\.cell.contextLength)).count >= PowerFit.leastPoints else {
      return ReportSection(title)
    }
    let lines = rows.grouped(GrowthLine.Key.init).map { GrowthLine($0, $1) }
    let columns: [ColumnRule<GrowthLine>] =
      [
        .words("model") { .text($0.key.model) }, .words("task") { .text($0.key.task) },
        .words("strategy") { $0.rows[0].strategy }, .init("contexts") { .text($0.lengths) },
      ] + GrowthFigure.allCases.map { figure in .init(figure.heading) { $0.exponent(of: figure) } }
    let measured = lines.filter { line in GrowthFigure.allCases.contains { line.fit($0) != nil } }
    return ReportSection(
      title,
      text: measured.isEmpty
        ? []
        : [
          "Exponents a of c · nᵃ, fitted by least squares of the logarithms: 1 is linear, 2 quadratic. ± standard error; in "
            + "round brackets how far the points lie from the curve, root mean square. Attended pairs are density x "
            + "n(n + 1)/2: attention that costs what it attends to grows as they do. Fewer than "
            + "\(PowerFit.leastPoints) points have no fit.",
          "Then attention and selection as a ratio to full, beside the effective density: above it is what selecting costs.",
        ],
      tables: [ReportTable(measured, columns), densityTable], figures: Self.figures(of: lines))
  }

  private var densityTable: ReportTable {
    let shown = rows.filter {
      !$0.row.isFull && $0.row[.density] != nil && $0.ratios[.attentionAndSelectionTime] != nil
    }
    return ReportTable(
      shown,
      ColumnRule.names + [
        .figure("density", .density, .fixed(3)),
        .ratio("attention and selection ratio", .attentionAndSelectionTime),
        .init("ratio less density", .lower) { analysed in
          let ratio = analysed.ratios[.attentionAndSelectionTime]?.median
          return .number(
            ratio.flatMap { ratio in analysed.row[.density].map { ratio - $0 } }, .signed(3))
        },
        .figure("retained fraction", .retainedFraction, .fixed(3)),
        .figure("KV cache ratio", .kvCacheResidentBytesRatio, .fixed(3)),
      ])
  }

  private static func figures(of lines: [GrowthLine]) -> [ReportFigure] {
    let charted: [GrowthFigure] = [.attentionAndSelection, .firstToken, .kvBytes]
    return ChartPlace.all(of: lines) { ($0.key.model, $0.key.task) }.flatMap { place, lines in
      let lengths = Set(lines.flatMap { $0.rows.map { Double($0.cell.contextLength) } }).sorted()
      return charted.compactMap { figure -> ReportFigure? in
        let chart = LineChart(
          title: "\(figure.title), \(place.title)",
          x: .init("context length, tokens", .logarithmic, ticks: lengths),
          y: .init(figure.axis, .logarithmic),
          series: lines.map { LineChart.Series($0.key.strategy, $0.points(figure)) })
        let isFitted = chart.series.contains { $0.points.count >= PowerFit.leastPoints }
        return isFitted ? ReportFigure("\(figure.rawValue)\(place.suffix)", chart) : nil
      }
    }
  }
}

/// A figure whose growth is fitted.
private enum GrowthFigure: String, CaseIterable {
  case attention = "attention-time"
  case selection = "selection-time"
  case attentionAndSelection = "attention-and-selection-time"
  case firstToken = "time-to-first-token"
  case attendedPairs = "attended-pairs"
  case kvBytes = "kv-bytes"
  case peakBytes = "peak-bytes"

  var heading: String {
    switch self {
    case .attention: "attention"
    case .selection: "selection"
    case .attentionAndSelection: "attention and selection"
    case .firstToken: "first token"
    case .attendedPairs: "attended pairs"
    case .kvBytes: "KV cache bytes"
    case .peakBytes: "peak resident bytes"
    }
  }

  /// Of a chart.
  var title: String {
    switch self {
    case .attentionAndSelection: "Attention and selection in the prefill"
    case .firstToken: "Time to first token"
    case .kvBytes: "KV cache after the prefill"
    default: heading
    }
  }

  var axis: String {
    switch self {
    case .kvBytes, .peakBytes: "MiB"
    case .attendedPairs: "query-key pairs"
    default: "seconds (median)"
    }
  }

  func cell(_ analysed: AnalysedRow) -> ReportCell {
    func seconds(_ figure: TimeFigure) -> ReportCell {
      .number(analysed.times[figure]?.median, .significant)
    }
    switch self {
    case .attention: return seconds(.attentionTime)
    case .selection: return seconds(.selectionTime)
    case .attentionAndSelection: return seconds(.attentionAndSelectionTime)
    case .firstToken: return seconds(.timeToFirstToken)
    case .attendedPairs:
      let n = Double(analysed.cell.contextLength)
      return .number(analysed.row[.density].map { $0 * n * (n + 1) / 2 }, .significant)
    case .kvBytes: return .number(analysed.row[.kvCacheResidentBytes], .mebibytes)
    case .peakBytes: return .number(analysed.row[.peakResidentBytes], .mebibytes)
    }
  }
}

/// One strategy on one model and task, over all lengths.
private struct GrowthLine {
  struct Key: Hashable {
    let model: String
    let task: String
    let strategy: String

    init(_ analysed: AnalysedRow) {
      model = analysed.cell.model
      task = analysed.task
      strategy = analysed.strategy.plainText
    }
  }

  let key: Key
  /// By context length.
  let rows: [AnalysedRow]

  init(_ key: Key, _ rows: [AnalysedRow]) {
    self.key = key
    self.rows = rows.sorted { $0.cell.contextLength < $1.cell.contextLength }
  }

  /// `2,048–131,072 (7)`
  var lengths: String {
    let lengths = rows.map { NumberFormat.count($0.cell.contextLength) }
    return "\(lengths[0])–\(lengths[lengths.count - 1]) (\(lengths.count))"
  }

  func points(_ figure: GrowthFigure) -> [LineChart.Point] {
    rows.compactMap { LineChart.Point(.count($0.cell.contextLength), figure.cell($0)) }
  }

  func fit(_ figure: GrowthFigure) -> PowerFit? {
    PowerFit(points(figure).map { ($0.x, $0.y) })
  }

  func exponent(of figure: GrowthFigure) -> ReportCell {
    guard let fit = fit(figure) else { return .missing }
    return ReportCell(
      .number(fit.exponent, .fixed(2)), .standardError(fit.standardError),
      note: "(\(NumberFormat.fixed(0).text(100 * fit.spread)) %)")
  }
}
