import JSON
import Records

extension ExperimentAnalysis {
  /// Scores where the question comes after the selection, as in use, and beside them where the selection
  /// sees it; what is left of the answers; and the turns one by one.
  var questionSection: ReportSection {
    let asked = rows.filter { !$0.cell.queryAware && $0.row[.score] != nil }
    // Those that were scored: what a cell's parameters say is not to be trusted for a size.
    let turns = Set(asked.filter { $0.turnCount > 1 }.flatMap { $0.row.units.map(\.index) })
    let aware = aware
    let table = ReportTable(
      asked,
      ColumnRule.names
        + [
          .figure("score", .score, .fixed(3)),
          .init("question seen", .higher) { .number(aware[$0.questionKey], .fixed(3)) },
          .figure("answer tokens lost", .lostAnswerTokens, .fixed(3)),
        ]
        + turns.sorted().map { turn in
          .init("turn \(turn + 1)", .higher) { .number($0.score(ofTurn: turn), .fixed(3)) }
        })
    return ReportSection(
      title: "Questions",
      text: [
        "Score: the question comes after the selection. Question seen: the same prompts, where the selection sees it. Answer "
          + "tokens lost: the share that no KV head holds any more when the answer begins. Turns: several questions to one cache, "
          + "one after another."
      ], tables: [table])
  }

  /// Pairs of methods of which one is better where the question comes after the selection, and the other
  /// where the selection sees it.
  var flippedOrders: [String] {
    let two = NumberFormat.fixed(2)
    let aware = aware
    let both = rows.compactMap { row -> (row: AnalysedRow, blind: Double, seen: Double)? in
      guard !row.cell.queryAware, !row.row.isFull, let blind = row.row[.score],
        let seen = aware[row.questionKey]
      else { return nil }
      return (row, blind, seen)
    }
    let tasks = Dictionary(grouping: both.indices) { both[$0].row.row.planned.fullIdentity }
    return both.indices.flatMap { first -> [String] in
      let one = both[first]
      let later = (tasks[one.row.row.planned.fullIdentity] ?? []).filter { $0 > first }
      return later.map { both[$0] }.compactMap { other -> String? in
        guard (one.blind - other.blind) * (one.seen - other.seen) < 0 else { return nil }
        let (better, worse) = one.blind > other.blind ? (one, other) : (other, one)
        return
          "the order of methods flips with what the selection sees: \(better.row.label) before \(worse.row.label) where the question "
          + "comes after it (\(two.text(better.blind)), \(two.text(worse.blind))), behind it where the selection sees the question "
          + "(\(two.text(better.seen)), \(two.text(worse.seen))): \(better.row.cell.model) at "
          + "\(NumberFormat.count(better.row.cell.contextLength)), \(better.row.task)"
      }
    }
  }

  /// Scores of rows whose selection sees the question.
  private var aware: [[JSONValue]: Double] {
    Dictionary(
      rows.filter(\.cell.queryAware).compactMap { row in
        row.row[.score].map { (row.questionKey, $0) }
      }, uniquingKeysWith: { first, _ in first })
  }
}

extension AnalysedRow {
  /// What a row has in common with the one that differs in what the selection sees.
  fileprivate var questionKey: [JSONValue] {
    var parameters = cell.taskParameters.objectValue ?? [:]
    parameters[ParameterDescription.queryAware.name] = nil
    return [
      .string(cell.model), .integer(cell.contextLength), .string(label), .string(cell.task),
      .object(parameters),
    ]
  }

  fileprivate var turnCount: Int { cell.taskParameters["turns"]?.integerValue ?? 1 }

  /// The mean over samples; nil for a cell of a single question.
  fileprivate func score(ofTurn turn: Int) -> Double? {
    guard turnCount > 1 else { return nil }
    return row.units.filter { $0.index == turn }.compactMap(\.score).mean
  }
}
