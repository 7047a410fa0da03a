import Records

/// One table that fits a screen: what each strategy holds, loses and saves, where the answer was looked for.
extension ExperimentAnalysis {
  /// More lines are left to the tables below.
  static let overviewLines = 20

  /// A line for each strategy; the one that holds most first. Nil where bytes or quality were not measured.
  func overview(_ points: [ParetoPoint]) -> ReportSection? {
    let pools = leadingPools.filter { pool in points.contains { $0.pool.key == pool.key } }
    let all = points.filter { point in pools.contains { $0.key == point.pool.key } }
      .grouped(\.label).map { OverviewLine(label: $0.key, points: $0.elements) }
    guard !all.isEmpty else { return nil }
    // What nothing makes needless has to be seen; of the rest what loses least.
    let kept = Set(
      all.sorted { ($0.isDominated ? 1 : 0, $0.loss) < ($1.isDominated ? 1 : 0, $1.loss) }
        .prefix(Self.overviewLines).map(\.label))
    let lines = all.filter { kept.contains($0.label) }.sorted { $0.share > $1.share }
    let columns: [ColumnRule<OverviewLine>] =
      [.words("strategy") { $0.points[0].row.strategy }]
      + pools.flatMap { Self.columns($0, prefix: pools.count > 1 ? "\($0.key.model)\n" : "") }
    let places = pools.map(\.place).joined(separator: ", ")
    let reach = rows.compactMap { row in
      background.models[row.cell.modelDigest]?.reach.map { "In \(row.cell.model) \($0). " }
    }.uniqued.joined()
    let left = all.count - lines.count
    var text =
      "\(pools[0].title); \(places). \(pools[0].byteShare?.explanation ?? "") They are a ratio to "
      + "\(pools[0].byteReference). " + reach
    text +=
      pools[0].isScored
      ? "Score: difference to full, with how likely one as large is by chance."
      : "Loss: difference to full in nats a token, with its 95 % interval where there is one."
    if left > 0 {
      let words = NumberFormat.counted(left, "strategy", plural: "strategies")
      text += " Without \(words), dominated or losing more than these: see below."
    }
    let later = Pool.laterWords(pools)
    if !later.isEmpty { text += " \(later)" }
    return ReportSection(
      title: "At a glance", text: [text], tables: [ReportTable(lines, columns)])
  }

  private static func columns(_ pool: Pool, prefix: String) -> [ColumnRule<OverviewLine>] {
    func rule(
      _ name: String, _ polarity: Polarity, _ cell: @escaping (ParetoPoint) -> ReportCell
    ) -> ColumnRule<OverviewLine> {
      .init(prefix + name, polarity) { line in
        line.points.first { $0.pool.key == pool.key }.map(cell) ?? .missing
      }
    }
    return [
      rule("KV bytes", .lower) { .number($0.share, .fixed(3)) },
      rule(pool.isScored ? "score against full" : "loss", pool.isScored ? .higher : .lower) {
        .difference($0.toFull)
      },
      rule("worst \(pool.noun)", .neither) {
        pool.isPool && !$0.isFull ? .text(pool.worstText($0.label)) : .missing
      },
      rule("first token", .lower) { .ratio(pool, .timeToFirstToken, $0) },
      rule("decode attention", .lower) { .ratio(pool, .decodeAttentionTime, $0) },
      rule("dominated by", .neither) { point in
        let (first, others) = (point.dominators.first?.label, point.dominators.count - 1)
        return first.map { .text(others > 0 ? "\($0) and \(others) more" : $0) } ?? .missing
      },
    ]
  }
}

/// A strategy where the answer was looked for, at least at one place.
private struct OverviewLine {
  let label: String
  let points: [ParetoPoint]

  var isDominated: Bool { points.allSatisfy { !$0.dominators.isEmpty } }
  var loss: Double { points[0].isFull ? -.infinity : points[0].toFull?.loss ?? .infinity }
  var share: Double { points[0].share ?? 0 }
}

extension ReportCell {
  /// Of times to full; missing for full itself.
  fileprivate static func ratio(
    _ pool: Pool, _ figure: TimeFigure, _ point: ParetoPoint
  ) -> ReportCell {
    guard !point.isFull, let full = pool.full else { return .missing }
    return .median(pool.timeRatio(figure, of: point.label, to: full), .fixed(3))
  }
}

extension Pool {
  var isScored: Bool {
    full.flatMap { cells(of: $0)?.first }.flatMap { PairedDifference.figure(of: $0.row.units) }
      == .score
  }
}
