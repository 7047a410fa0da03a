import Records

extension ExperimentAnalysis {
  /// What each strategy gives up for the memory that it holds: a figure for each model and task, at
  /// the longest context where three or more cells have both.
  var tradeOffSection: ReportSection {
    let places = ChartPlace.all(of: rows) { ($0.cell.model, $0.task) }
    let figures = places.compactMap { place, rows -> ReportFigure? in
      let lengths = rows.grouped(\.cell.contextLength).sorted { $0.key > $1.key }
      let charts = lengths.lazy.compactMap { Self.tradeOff(of: $1, length: $0, place: place) }
      return charts.first.map { ReportFigure(name: "error-and-memory\(place.suffix)", chart: $0) }
    }
    return ReportSection(
      title: "Error and memory",
      text: [
        "Further down and further left is better. Cells of one strategy are joined from the least memory to the most."
      ], figures: figures)
  }

  /// Perplexity where it was measured, else the output error; nil for fewer than three cells.
  private static func tradeOff(
    of rows: [AnalysedRow], length: Int, place: ChartPlace
  ) -> LineChart? {
    let choices: [(column: ComparisonColumn, name: String, axis: String)] = [
      (.perplexityRatio, "Perplexity", "perplexity, ratio to full"),
      (.relativeOutputError, "Output error", "output error (isolated, prefill)"),
    ]
    for (column, name, axis) in choices {
      let measured = rows.filter {
        value(column, $0) != nil && $0.row[.kvCacheResidentBytes] != nil
      }
      guard measured.count >= 3 else { continue }
      let series = measured.grouped(\.cell.strategy).map { strategy, rows in
        LineChart.Series(
          name: strategy,
          points: rows.compactMap { row in
            LineChart.Point(
              .number(row.row[.kvCacheResidentBytes], .mebibytes),
              .number(value(column, row), .significant))
          }.sorted { ($0.x, $0.y) < ($1.x, $1.y) })
      }
      return LineChart(
        title: "\(name) and KV cache at \(NumberFormat.count(length)) tokens, \(place.title)",
        x: .init(label: "KV cache after the prefill, MiB", scale: .linear),
        y: .init(label: axis, scale: .linear),
        series: series)
    }
    return nil
  }

  /// Of full itself, the ratio is 1 and the error 0.
  private static func value(_ column: ComparisonColumn, _ row: AnalysedRow) -> Double? {
    if let value = row.row[column] { return value }
    guard row.row.isFull else { return nil }
    if column == .relativeOutputError { return 0 }
    return row.row[.perplexity] == nil ? nil : 1
  }
}

/// A model and a task that have charts of their own.
struct ChartPlace {
  let title: String
  /// Behind a file's name: a number where there are several places.
  let suffix: String

  /// In the order of their first appearance, with what is shown there.
  static func all<Subject>(
    of subjects: [Subject], _ place: (Subject) -> (model: String, task: String)
  ) -> [(ChartPlace, [Subject])] {
    let groups = subjects.grouped { [place($0).model, place($0).task] }
    return groups.enumerated().map { index, group in
      (
        ChartPlace(
          title: group.key.joined(separator: ", "),
          suffix: groups.count > 1 ? "-\(index + 1)" : ""), group.elements
      )
    }
  }
}
