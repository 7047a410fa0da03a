/// Which strategies figures with room for few show.
struct ShownStrategies {
  /// What stands in a figure that is read row by row.
  static let most = 12

  /// In the order of their colours, those in grey by what they lose.
  let labels: [String]

  /// One for each series: at the budget that comes nearest to the limit of the answer from below, else at its least.
  /// Full itself is what others are compared with.
  init(_ points: [ParetoPoint], _ styles: StrategyStyles) {
    let limit = PoolAnswer.limit * PoolAnswer.tolerance
    let chosen = points.filter { !$0.isFull }.grouped(\.row.seriesName).compactMap { _, points in
      let sorted = points.sorted { $0.share ?? $0.bytes < $1.share ?? $1.bytes }
      return sorted.last { ($0.share ?? .infinity) <= limit } ?? sorted.first
    }
    func rank(_ point: ParetoPoint) -> (Int, Double) {
      (styles.style(of: point.row).colour ?? .max, point.toFull?.loss ?? .infinity)
    }
    labels = chosen.sorted { rank($0) < rank($1) }.prefix(Self.most).map(\.label)
  }

  /// The rows of one place, those in colour first, at most so many.
  static func first(
    _ count: Int, of rows: [AnalysedRow], _ styles: StrategyStyles
  ) -> [AnalysedRow] {
    let ranked = rows.enumerated().sorted {
      (styles.style(of: $0.element).colour ?? .max, $0.offset)
        < (styles.style(of: $1.element).colour ?? .max, $1.offset)
    }
    let kept = Set(ranked.prefix(count).map(\.offset))
    return rows.enumerated().filter { kept.contains($0.offset) }.map(\.element)
  }
}
