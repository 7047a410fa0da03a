import Records

extension ExperimentAnalysis {
  /// How time and memory grow with the context: fitted exponents, and time beside the density that
  /// it should follow.
  ///
  /// Empty for an experiment of fewer than three context lengths.
  func growthSection(_ styles: StrategyStyles) -> ReportSection {
    let title = "Growth with the context length"
    guard Set(rows.map(\.cell.contextLength)).count >= PowerFit.leastPoints else {
      return ReportSection(title: title)
    }
    let lines = rows.groupedByNames { [$0.cell.model, $0.task, $0.strategy.plainText] }
      .map(GrowthLine.init)
    let columns: [ColumnRule<GrowthLine>] =
      [
        .words("model") { .text($0.rows[0].cell.model) }, .words("task") { .text($0.rows[0].task) },
        .words("strategy") { $0.rows[0].strategy }, .init("contexts") { .text($0.lengths) },
      ] + GrowthFigure.all.map { figure in .init(figure.heading) { $0.exponent(of: figure) } }
    let measured = lines.filter { line in GrowthFigure.all.contains { line.fit($0) != nil } }
    return ReportSection(
      title: title,
      text: measured.isEmpty
        ? []
        : [
          "Exponents a of c · nᵃ, fitted by least squares of the logarithms: 1 is linear, 2 quadratic. ± standard error; in "
            + "round brackets how far the points lie from the curve, root mean square. Attended pairs are density x "
            + "n(n + 1)/2: attention that costs what it attends to grows as they do. Fewer than "
            + "\(PowerFit.leastPoints) points have no fit.",
          "Then attention and selection as a ratio to full, beside the effective density: above it is what selecting costs.",
        ],
      tables: [ReportTable(measured, columns), densityTable],
      figures: figures(of: lines, styles))
  }

  private func figures(of lines: [GrowthLine], _ styles: StrategyStyles) -> [ReportFigure] {
    GrowthPlace.all(of: lines).flatMap { place in
      GrowthFigure.all.compactMap { figure -> ReportFigure? in
        guard let (name, title, axis) = figure.chart else { return nil }
        let chart = GrowthChart(
          title: title,
          caption: [
            caption(place.lines.flatMap(\.rows)),
            "n is the context length; its power and standard error are fitted to the line.",
            figure.time == nil
              ? ""
              : "Whiskers: quartiles over repeats. At the foot: from which length on a strategy is ahead of full, and "
                + "between which the ends of the ratios' 95 % intervals pass 1.",
          ].filter { !$0.isEmpty }.joined(separator: " "), axis: axis,
          lines: place.lines.map { $0.drawn(figure, styles) })
        let isFitted = chart.lines.contains { $0.points.count >= PowerFit.leastPoints }
        return isFitted ? ReportFigure(name: name + place.suffix, chart: chart) : nil
      }
    }
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
}

/// A model and a task that have figures of their own.
private struct GrowthPlace {
  /// Behind a file's name: a number where there are several places.
  let suffix: String
  let lines: [GrowthLine]

  /// In the order of their first appearance.
  static func all(of lines: [GrowthLine]) -> [GrowthPlace] {
    let groups = lines.grouped { [$0.rows[0].cell.model, $0.rows[0].task] }
    return groups.enumerated().map { index, group in
      GrowthPlace(
        suffix: groups.count > 1 ? "-\(index + 1)" : "", lines: group.elements)
    }
  }
}

/// A figure whose growth is fitted, and charted where it has a title for it.
private struct GrowthFigure {
  let heading: String
  var chart: (name: String, title: String, axis: String)?
  /// Whose median is shown; nil for what is no time.
  var time: TimeFigure?
  let cell: @Sendable (AnalysedRow) -> ReportCell

  static let all = [
    time("attention", .attentionTime), time("selection", .selectionTime),
    time(
      "attention and selection", .attentionAndSelectionTime,
      (
        "attention-and-selection-time",
        "How do attention and selection in the prefill grow with the context?"
      )),
    time(
      "first token", .timeToFirstToken,
      ("time-to-first-token", "How does the time to the first token grow with the context?")),
    GrowthFigure(heading: "attended pairs") { analysed in
      let n = Double(analysed.cell.contextLength)
      return .number(analysed.row[.density].map { $0 * n * (n + 1) / 2 }, .significant)
    },
    GrowthFigure(
      heading: "KV cache bytes",
      chart: (
        "kv-bytes", "How does the KV cache grow with the context?",
        "MiB after the prompt, log scale (↓ better)"
      )
    ) { .number($0.row[.kvCacheResidentBytes], .mebibytes) },
    GrowthFigure(heading: "peak resident bytes") {
      .number($0.row[.peakResidentBytes], .mebibytes)
    },
  ]

  private static func time(
    _ heading: String, _ figure: TimeFigure, _ chart: (name: String, title: String)? = nil
  ) -> GrowthFigure {
    GrowthFigure(
      heading: heading,
      chart: chart.map { ($0.name, $0.title, "seconds, median, log scale (↓ better)") },
      time: figure
    ) {
      .number($0.times[figure]?.median, .significant)
    }
  }
}

/// One strategy on one model and task, over all lengths.
private struct GrowthLine {
  /// By context length.
  let rows: [AnalysedRow]

  init(_ rows: [AnalysedRow]) {
    self.rows = rows.sorted { $0.cell.contextLength < $1.cell.contextLength }
  }

  /// `2,048–131,072 (7)`
  var lengths: String {
    let lengths = rows.map { NumberFormat.count($0.cell.contextLength) }
    return "\(lengths[0])–\(lengths[lengths.count - 1]) (\(lengths.count))"
  }

  /// Nil for times of several machines or builds.
  func fit(_ figure: GrowthFigure) -> PowerFit? {
    if figure.time != nil, !TimingOrigin.isOne(of: rows.compactMap { $0.timing?.group }) {
      return nil
    }
    return PowerFit(
      rows.compactMap { row in
        figure.cell(row).shownValue.map { (Double(row.cell.contextLength), $0) }
      })
  }

  /// With the power at its end, and for times where it passes full.
  func drawn(_ figure: GrowthFigure, _ styles: StrategyStyles) -> GrowthChart.Line {
    let points = rows.compactMap { row -> GrowthChart.Point? in
      guard let value = figure.cell(row).shownValue else { return nil }
      let spread = figure.time.flatMap { row.times[$0] }
      let shown = spread.map { ReportCell.median($0, .significant) } ?? figure.cell(row)
      return GrowthChart.Point(
        length: Double(row.cell.contextLength), value: value,
        spread: spread.map { Interval(low: $0.lowerQuartile, high: $0.upperQuartile) },
        hover: "\(row.label) at \(NumberFormat.counted(row.cell.contextLength, "token")): "
          + shown.plainText)
    }
    let two = NumberFormat.fixed(2)
    let power = fit(figure).map {
      " n^\(two.text($0.exponent)) ± \(two.text($0.standardError))"
    }
    let ratios = figure.time.map { time in
      rows.compactMap { row in
        row.ratios[time].map { (length: Double(row.cell.contextLength), ratio: $0) }
      }
    }
    return GrowthChart.Line(
      label: rows[0].label, name: rows[0].label, power: power ?? "",
      style: styles.style(of: rows[0]), points: points,
      crossover: rows[0].row.isFull ? nil : ratios.flatMap { Crossover($0) })
  }

  func exponent(of figure: GrowthFigure) -> ReportCell {
    guard let fit = fit(figure) else { return .missing }
    return ReportCell(
      .number(fit.exponent, .fixed(2)), .standardError(fit.standardError),
      note: "(\(NumberFormat.fixed(0).text(100 * fit.spread)) %)")
  }
}
