import Records

/// Memory, quality and time together: which strategies no other one makes needless.
///
/// One strategy *dominates* another where it holds no more bytes, its likelihood is better beyond the interval (its score
/// by the exact test), and it takes no longer: the other's time is not below its own by the interval of the ratio. Where
/// the two were not timed together for 8 repeats, of several texts of each, time stays open, and that is said.
extension ExperimentAnalysis {
  func paretoSection(_ points: [ParetoPoint]) -> ReportSection {
    let left = Pool.laterWords(pools)
    let columns: [ColumnRule<ParetoPoint>] = [
      .words("model") { .text($0.pool.key.model) },
      .init("context") { .count($0.pool.key.contextLength) },
      .words("task") { .text($0.pool.title) },
      .words("strategy") { $0.row.strategy },
      .init("KV bytes", .lower) { .number($0.share, .fixed(3)) },
      .init("KV cache", unit: "MiB", .lower) { .number($0.bytes, .mebibytes) },
      .init("to full") { .difference($0.toFull) },
      .words("over") { .text($0.toFull?.clusters ?? "") },
      .init("decode attention ratio", .lower) { .median($0.time, .fixed(3)) },
      .words("dominated by") { .text($0.dominators.map(\.text).joined(separator: ", ")) },
    ]
    return ReportSection(
      title: "What is dominated",
      text: [
        "One dominates another where it holds no more KV bytes (as a ratio to full: mean over decode steps, in layers without a window of "
          + "their own; else what is allocated), is better in "
          + "likelihood beyond the 95 % interval of the difference (in score by the exact test), and where the other's decode "
          + "attention is not faster by the 95 % interval of the ratio. Those behind which \"time?\" stands do so in bytes and "
          + "quality, and were not timed together 8 times. Exploratory: not corrected for the number of pairs."
      ] + (left.isEmpty ? [] : [left]), tables: [ReportTable(points, columns)])
  }
}

/// One strategy of a pool in bytes, quality and time.
struct ParetoPoint {
  let pool: Pool
  let label: String
  let row: AnalysedRow
  let bytes: Double
  let toFull: PairedDifference?
  /// Decode attention, to full.
  let time: Spread?
  var dominators: [Dominator] = []
  /// Whether none of its pool that needs no more bytes loses less.
  var isLeast = false

  var isFull: Bool { label == pool.full }
  fileprivate var loss: Double? { isFull ? 0 : toFull?.loss }
}

/// A strategy that makes another one needless.
struct Dominator: Hashable {
  var label: String
  /// False where it does so in bytes and quality, and the two were not timed together 8 times.
  var isTimed: Bool

  /// `snapkv (time?)`
  var text: String { isTimed ? label : label + " (time?)" }
}

extension Pool {
  static let comparedTime = TimeFigure.decodeAttentionTime

  /// Of the strategies whose bytes were measured and whose quality says what they do, unless there is but one; an oracle
  /// bounds methods, and dominates none.
  var paretoPoints: [ParetoPoint] {
    let full = full
    let points = compared.compactMap { label -> ParetoPoint? in
      guard let row = cells(of: label)?.first, let bytes = mean(label, \.heldBytes) else {
        return nil
      }
      return ParetoPoint(
        pool: self, label: label, row: row, bytes: bytes,
        toFull: label == full ? nil : full.flatMap { difference(from: $0, to: label) },
        time: label == full
          ? nil : full.flatMap { timeRatio(Self.comparedTime, of: label, to: $0) })
    }
    guard points.count > 1 else { return [] }
    // The share that budgets match, so that layers with a window of their own, which no method acts on, decide nothing;
    // what is allocated where not all have one.
    let shares = points.compactMap(\.share)
    let prices = shares.count == points.count ? shares : points.map(\.bytes)
    return zip(points, prices).map { point, price in
      var point = point
      if let loss = point.loss {
        point.isLeast = !zip(points, prices).contains { other, otherPrice in
          otherPrice <= price && other.loss.map { $0 < loss } ?? false
        }
      }
      for (other, otherPrice) in zip(points, prices)
      where other.label != point.label && other.row.cell.strategyRole != .oracle
        && otherPrice <= price
      {
        guard let difference = difference(from: other.label, to: point.label),
          difference.isWorseBeyondInterval
        else { continue }
        let time = timeRatio(Self.comparedTime, of: point.label, to: other.label)?.interval
        if time.map({ $0.high >= 1 }) ?? true {
          point.dominators.append(Dominator(label: other.label, isTimed: time != nil))
        }
      }
      return point
    }
  }
}

extension PairedDifference {
  /// The interval of a likelihood above 0; of scores the test.
  fileprivate var isWorseBeyondInterval: Bool {
    figure == .score ? verdict > 0 : interval.map { $0.low > 0 } ?? false
  }
}
