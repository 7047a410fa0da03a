import Records

extension ExperimentAnalysis {
  /// What each strategy gives up for the memory that it holds: a figure for each model and task, at the longest context
  /// where three or more cells have both.
  var tradeOffSection: ReportSection {
    let places = ChartPlace.all(of: rows.map { ($0.cell.model, $0.task) })
    let figures = places.compactMap { place -> ReportFigure? in
      let here = rows.filter { $0.cell.model == place.model && $0.task == place.task }
      for length in Set(here.map(\.cell.contextLength)).sorted(by: >) {
        let shown = here.filter { $0.cell.contextLength == length }
        if let chart = Self.tradeOff(of: shown, length: length, place: place) {
          return ReportFigure("error-and-memory\(place.suffix)", chart)
        }
      }
      return nil
    }
    return ReportSection(
      "Error and memory",
      text: figures.isEmpty
        ? []
        : [
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
      var names: [String] = []
      for row in measured where !names.contains(row.cell.strategy) {
        names.append(row.cell.strategy)
      }
      return LineChart(
        title: "\(name) and KV cache at \(NumberText.count(length)) tokens, \(place.title)",
        x: .init("KV cache after the prefill, MiB", .linear), y: .init(axis, .linear),
        series: names.map { name in
          let points = measured.filter { $0.cell.strategy == name }.compactMap { row in
            value(column, row).flatMap { value in
              row.row[.kvCacheResidentBytes].map { LineChart.Point($0 / 1_048_576, value) }
            }
          }
          return LineChart.Series(name, points.sorted { ($0.x, $0.y) < ($1.x, $1.y) })
        })
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
  let model: String
  let task: String
  /// Behind a file's name: a number where there are several places.
  let suffix: String

  var title: String { "\(model), \(task)" }

  /// In the order of their first appearance.
  static func all(of places: [(model: String, task: String)]) -> [ChartPlace] {
    var seen: [(model: String, task: String)] = []
    for place in places where !seen.contains(where: { $0 == place }) { seen.append(place) }
    return seen.enumerated().map { index, place in
      ChartPlace(
        model: place.model, task: place.task, suffix: seen.count > 1 ? "-\(index + 1)" : "")
    }
  }
}
