import JSON
import Records
import Testing

@testable import Reports

@Suite("Questions in reports")
struct QuestionSectionTests {
  /// Scores by strategy: where the question comes after the selection, and where the selection sees it.
  /// - Parameter statedTurns: what cells say, if not the turns that were scored.
  private func analysis(
    _ scores: [(strategy: String, blind: Double, seen: Double)], turns: Int? = nil,
    statedTurns: Int? = nil
  ) -> ExperimentAnalysis {
    var rows: [ComparisonRow] = []
    for isAware in [false, true] {
      var parameters: [String: JSONValue] = ["samples": 2, "queryAware": .boolean(isAware)]
      if let stated = statedTurns ?? turns { parameters["turns"] = .integer(stated) }
      for (strategy, blind, seen) in scores {
        let identity = "\(strategy) \(isAware)"
        let cell = CellRecord(
          identity: identity, model: "m", modelDigest: "m", contextLength: 512, strategy: strategy,
          strategyParameters: [:], task: "ruler", taskProtocol: nil,
          taskParameters: .object(parameters), queryAware: isAware, selectionLooksAhead: false,
          seed: 0)
        let score = isAware ? seen : blind
        rows.append(
          ComparisonRow(
            planned: PlannedCell(cell: cell, label: strategy, fullIdentity: "full \(isAware)"),
            figures: [.score: score, .lostAnswerTokens: 1 - score], kinds: [.quality: 1],
            units: (0..<2).flatMap { sample in
              (0..<(turns ?? 1)).map {
                ScoredUnit(
                  sample: sample, index: $0, place: 0, tokens: 1,
                  score: score * Double($0 + 1) / Double(turns ?? 1))
              }
            }))
      }
    }
    return ExperimentAnalysis(
      ExperimentResults(
        experiment: ExperimentRecord(name: "q", question: "", spec: "{}"), runs: [], rows: rows))
  }

  @Test("The order of two methods flips where one is better blind and the other seeing")
  func flips() {
    let scores = [("full", 1.0, 1.0), ("a", 0.5, 0.6), ("b", 0.4, 0.7), ("c", 0.3, 0.2)]
    let flags = analysis(scores.map { ($0.0, $0.1, $0.2) }).flippedOrders
    #expect(flags.count == 1)
    #expect(
      flags.first?.hasPrefix(
        "the order of methods flips with what the selection sees: a before b where the question comes after it (0.50, 0.40), behind it where the selection sees the question (0.60, 0.70): m at 512"
      ) == true, "\(flags)")
    #expect(analysis([("full", 1, 1), ("a", 0.5, 0.6), ("b", 0.4, 0.6)]).flippedOrders == [])
  }

  @Test("Both scores stand beside each other, with what is lost and each turn")
  func table() throws {
    let section = analysis([("full", 1, 1), ("a", 0.5, 0.75)], turns: 2).questionSection
    let table = try #require(section.tables.first)
    #expect(
      table.columns.map(\.heading) == [
        "model", "context", "task", "strategy", "score ↑", "question seen ↑",
        "answer tokens lost ↓", "turn 1 ↑", "turn 2 ↑",
      ])
    #expect(table.rows.count == 2)
    // A number in a file asks for no more columns than there are figures.
    let absurd = analysis([("full", 1, 1), ("a", 0.5, 0.75)], turns: 2, statedTurns: Int.max)
    #expect(absurd.questionSection.tables == section.tables)
    #expect(
      table.rows[1].suffix(5).map(\.plainText) == ["0.500", "0.750", "0.500", "0.250", "0.500"])
  }
}
