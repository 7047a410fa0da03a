import Records

/// What a reader takes from an experiment: who loses least for a quarter of the bytes, whether a plain quantised cache
/// would do, and where it fails; for each model by itself.
extension ExperimentAnalysis {
  /// Up to four questions: what was asked beforehand, and three of everybody's, answered for each model.
  func answer(_ points: [ParetoPoint]) -> [ReportAnswer] {
    let answers = leadingPools.map { pool in
      PoolAnswer(
        pool: pool, points: points.filter { $0.pool.key == pool.key },
        primary: primaryContrasts.filter { $0.pool.key == pool.key })
    }
    guard !answers.isEmpty else {
      return [
        timed ?? ReportAnswer(question: "What does it say?", statements: [nothingToCompare])
      ]
    }
    let least =
      Self.answer("Which loses least at a quarter of the bytes?", answers, \.leastLoss)
      ?? Self.answer("Which loses least?", answers, \.leastOfAll).map { found in
        ReportAnswer(question: found.question, statements: found.statements + [Self.withoutBytes])
      }
    let cacheQuestion = "Would a plain quantised cache do?"
    let quantised =
      Self.answer(cacheQuestion, answers, \.quantisedCache)
      ?? (answers.contains { $0.best != nil }
        ? ReportAnswer(question: cacheQuestion, statements: [Self.withoutQuantised]) : nil)
    return [
      primaryAnswer(in: leadingPools), least, quantised,
      Self.answer("Where does it fail?", answers, \.worst),
    ]
    .compactMap { $0 }
  }

  /// Where the answer is looked for: the first kind of task that compares, a continuation of texts or else questions that
  /// the selection did not see before others; of each model the longest context.
  var leadingPools: [Pool] {
    let kind = leadingKind
    return kind.grouped(\.key.model).compactMap { _, pools in
      pools.enumerated().max {
        ($0.element.key.contextLength, -$0.offset) < ($1.element.key.contextLength, -$1.offset)
      }?.element
    }
  }

  /// Of that kind of task at all lengths.
  var leadingKind: [Pool] {
    let compared = pools.filter { $0.full != nil && $0.compared.count > 1 }
    func rank(_ pool: Pool) -> Int {
      pool.key.taskProtocol == "continuation" ? 0 : pool.key.queryAware ? 2 : 1
    }
    guard
      let first = compared.enumerated().min(by: {
        (rank($0.element), $0.offset) < (rank($1.element), $1.offset)
      })?.element
    else { return [] }
    return compared.filter {
      $0.key.kind == first.key.kind && $0.key.queryAware == first.key.queryAware
    }
  }

  /// `a at 2,048 tokens: … .`, a line for each model that has something to say; nil where none has.
  private static func answer(
    _ question: String, _ answers: [PoolAnswer], _ text: (PoolAnswer) -> String?
  ) -> ReportAnswer? {
    let found = answers.compactMap { answer in text(answer).map { "\(answer.place): \($0)." } }
    return found.isEmpty ? nil : ReportAnswer(question: question, statements: found)
  }

  private static let withoutQuantised =
    "No plain quantised cache stands beside them, so nothing here says that a method is worth its bytes."

  private static let withoutBytes =
    "KV bytes were not measured, so nothing is said of what a loss pays for."

  // MARK: - Without quality

  /// The strategy whose first token comes earliest at the longest context of each model; nil where nothing was timed.
  private var timed: ReportAnswer? {
    let figures: [(figure: TimeFigure, name: String)] = [
      (.timeToFirstToken, "first token"), (.decodeAttentionTime, "decode attention"),
    ]
    let found = rows.grouped(\.cell.model).compactMap { model, rows -> String? in
      let longest = rows.map(\.cell.contextLength).max() ?? 0
      let clauses = figures.compactMap { figure, name -> String? in
        let timed = rows.filter { $0.cell.contextLength == longest && !$0.row.isFull }
          .compactMap { row in row.ratios[figure].map { (row, $0) } }
        return timed.min { $0.1.median < $1.1.median }.map { row, ratio in
          Self.time(row.label, name, ratio)
        }
      }
      return clauses.isEmpty
        ? nil
        : "\(model) at \(NumberFormat.counted(longest, "token")): \(clauses.joined(separator: "; "))."
    }
    return found.isEmpty
      ? nil
      : ReportAnswer(
        question: "What is sooner?",
        statements: found + ["Neither likelihood nor score was compared."])
  }

  private static func time(_ label: String, _ name: String, _ ratio: Spread) -> String {
    let three = NumberFormat.fixed(3)
    let value = "\(three.text(ratio.median)) of full's time"
    guard let interval = ratio.interval else {
      return "the least \(name) is that of \"\(label)\", \(value), without an interval "
        + "(\(NumberFormat.counted(ratio.count, "repeat")), fewer than \(SignedRank.leastValues))"
    }
    let text = "\(value) \(three.text(interval)) over \(ratio.count) repeats"
    return interval.high < 1
      ? "the fastest \(name) is that of \"\(label)\", \(text)"
      : "no \(name) is sooner than full's beyond chance, the least is that of \"\(label)\", \(text)"
  }

  private var nothingToCompare: String {
    if rows.isEmpty { return "There is nothing to compare: the experiment has no cells." }
    if rows.allSatisfy({ $0.row.kinds.isEmpty }) {
      return
        "There is nothing to compare yet: none of \(NumberFormat.counted(rows.count, "cell")) has results."
    }
    if rows.contains(where: \.isAtChance), pools.isEmpty {
      return "There is nothing to compare: full attention does no better than guessing."
    }
    if pools.contains(where: { $0.full != nil && !$0.later.isEmpty }) {
      return
        "There is nothing to compare: quality was measured on prompts (protocol prefill), and what stands beside full acts "
        + "only after them."
    }
    return
      "There is nothing to compare: no two strategies have results on the same windows or prompts."
  }
}
