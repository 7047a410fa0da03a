extension ExperimentAnalysis {
  /// How time and memory grow with the context: fitted exponents, and time beside the density that it should follow.
  ///
  /// Empty for an experiment of fewer than three context lengths.
  var growthSection: ReportSection {
    guard Set(rows.map(\.cell.contextLength)).count >= PowerFit.leastPoints else {
      return ReportSection("Growth with the context length")
    }
    let lines = GrowthLine.all(of: rows)
    let measured = lines.filter { line in GrowthFigure.allCases.contains { line.fit($0) != nil } }
    let exponents = ReportTable(
      columns: [
        .init("model", isNumeric: false), .init("task", isNumeric: false),
        .init("strategy", isNumeric: false), .init("contexts", .neither),
      ] + GrowthFigure.allCases.map { .init($0.heading, .neither) },
      rows: measured.map { line in
        [line.model, line.task, line.strategy, line.lengths]
          + GrowthFigure.allCases.map { Self.text(line.fit($0)) }
      }
    ).withoutEmptyColumns
    return ReportSection(
      "Growth with the context length",
      text: measured.isEmpty
        ? []
        : [
          "Exponents a of c · nᵃ, fitted by least squares of the logarithms: 1 is linear, 2 quadratic. ± standard error; in "
            + "round brackets how far the points lie from the curve, root mean square. Attended pairs are density x "
            + "n(n + 1)/2: attention that costs what it attends to grows as they do. Fewer than "
            + "\(PowerFit.leastPoints) points have no fit.",
          "Then attention and selection as a ratio to full, beside the effective density: above it is what selecting costs.",
        ],
      tables: [exponents, densityTable], figures: growthFigures(lines))
  }

  private static func text(_ fit: PowerFit?) -> String {
    guard let fit else { return NumberText.missing }
    return
      "\(NumberText.fixed(fit.exponent, 2)) ± \(NumberText.fixed(fit.standardError, 2)) (\(NumberText.fixed(100 * fit.spread, 0)) %)"
  }

  private var densityTable: ReportTable {
    let shown = rows.filter {
      !$0.row.isFull && $0.row[.density] != nil && $0.ratios[.attentionAndSelectionTime] != nil
    }
    return ReportTable(
      columns: AnalysedRow.nameColumns + [
        .init("density", .lower), .init("attention and selection ratio", .lower),
        .init("ratio less density", .lower), .init("retained fraction", .lower),
        .init("KV cache ratio", .lower),
      ],
      rows: shown.map { analysed in
        let ratio = analysed.ratios[.attentionAndSelectionTime]?.median
        let density = analysed.row[.density]
        return analysed.names + [
          NumberText.fixed(density, 3), analysed.ratioText(.attentionAndSelectionTime),
          NumberText.signed(ratio.flatMap { ratio in density.map { ratio - $0 } }, 3),
          NumberText.fixed(analysed.row[.retainedFraction], 3),
          NumberText.fixed(analysed.row[.kvCacheResidentBytesRatio], 3),
        ]
      }
    ).withoutEmptyColumns
  }

  private func growthFigures(_ lines: [GrowthLine]) -> [ReportFigure] {
    let places = ChartPlace.all(of: lines.map { ($0.model, $0.task) })
    return places.flatMap { place in
      let shown = lines.filter { $0.model == place.model && $0.task == place.task }
      let lengths = Set(shown.flatMap { $0.rows.map { Double($0.cell.contextLength) } }).sorted()
      let figures: [GrowthFigure] = [.attentionAndSelection, .firstToken, .kvBytes]
      return figures.compactMap { figure -> ReportFigure? in
        let chart = LineChart(
          title: "\(figure.title), \(place.title)",
          x: .init("context length, tokens", .logarithmic, ticks: lengths),
          y: .init(figure.axis, .logarithmic),
          series: shown.map { line in
            LineChart.Series(
              line.strategy, line.points(figure).map { .init($0.x, $0.y * figure.scale) })
          })
        guard chart.series.contains(where: { $0.points.count >= PowerFit.leastPoints }) else {
          return nil
        }
        return ReportFigure("\(figure.rawValue)\(place.suffix)", chart)
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

  /// From the stored unit to the axis's.
  var scale: Double { self == .kvBytes || self == .peakBytes ? 1 / 1_048_576 : 1 }

  func value(_ analysed: AnalysedRow) -> Double? {
    switch self {
    case .attention: analysed.times[.attentionTime]?.median
    case .selection: analysed.times[.selectionTime]?.median
    case .attentionAndSelection: analysed.times[.attentionAndSelectionTime]?.median
    case .firstToken: analysed.times[.timeToFirstToken]?.median
    case .attendedPairs:
      analysed.row[.density].map {
        let n = Double(analysed.cell.contextLength)
        return $0 * n * (n + 1) / 2
      }
    case .kvBytes: analysed.row[.kvCacheResidentBytes]
    case .peakBytes: analysed.row[.peakResidentBytes]
    }
  }
}

/// One strategy on one model and task, over all lengths.
private struct GrowthLine {
  let model: String
  let task: String
  let strategy: String
  /// By context length.
  var rows: [AnalysedRow]

  static func all(of rows: [AnalysedRow]) -> [GrowthLine] {
    var lines: [GrowthLine] = []
    for row in rows {
      let place = lines.firstIndex {
        $0.model == row.cell.model && $0.task == row.task && $0.strategy == row.strategy
      }
      if let place {
        lines[place].rows.append(row)
      } else {
        lines.append(
          GrowthLine(
            model: row.cell.model, task: row.task, strategy: row.strategy, rows: [row]))
      }
    }
    for index in lines.indices {
      lines[index].rows.sort { $0.cell.contextLength < $1.cell.contextLength }
    }
    return lines
  }

  /// `2,048–131,072 (7)`
  var lengths: String {
    let lengths = rows.map(\.cell.contextLength)
    guard let first = lengths.first, let last = lengths.last else { return NumberText.missing }
    return "\(NumberText.count(first))–\(NumberText.count(last)) (\(lengths.count))"
  }

  func points(_ figure: GrowthFigure) -> [(x: Double, y: Double)] {
    rows.compactMap { row in
      figure.value(row).map { (Double(row.cell.contextLength), $0) }
    }
  }

  func fit(_ figure: GrowthFigure) -> PowerFit? { PowerFit(points(figure)) }
}
