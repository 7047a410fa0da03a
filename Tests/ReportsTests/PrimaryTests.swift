import Records
import Testing

@testable import Reports

@Suite("Primary contrasts")
struct PrimaryTests {
  private func results(_ primary: String, models: Int = 1) -> ExperimentResults {
    var results = ExampleResults.experiment(contexts: [512])
    results.experiment.spec = "{\"primary\": \(primary)}"
    for number in 1..<models {
      for row in results.rows.prefix(8) {
        var copy = row
        copy.planned.cell.identity += " \(number)"
        copy.planned.fullIdentity += " \(number)"
        copy.planned.cell.model = "model \(number)"
        results.rows.append(copy)
      }
    }
    return results
  }

  private let pairs =
    #"[["streaming-llm", "tca threshold=0.9"], ["full", "tca threshold=0.7"]]"#

  @Test("Without a spec's word there is no section, and everything is exploratory")
  func none() {
    let report = Report(of: ExampleResults.experiment(contexts: [512]))
    #expect(!report.sections.contains { $0.title == "Primary contrasts" })
    #expect(!report.data.contains { $0.name == "primary_contrast" })
  }

  @Test("The named pairs are corrected together at each place, with the interval of the correction")
  func corrected() throws {
    let analysis = ExperimentAnalysis(results(pairs))
    let contrasts = analysis.primaryContrasts
    #expect(contrasts.map(\.pool.key.task) == ["perplexity", "perplexity", "passkey", "passkey"])
    let losses = contrasts.prefix(2)
    for contrast in losses {
      let p = try #require(contrast.difference.pValue)
      let corrected = try #require(contrast.corrected)
      #expect(corrected.pValue >= p && corrected.pValue <= 2 * p)
      let (wide, narrow) = (
        try #require(contrast.interval), try #require(contrast.difference.interval)
      )
      #expect(wide.low <= narrow.low && wide.high >= narrow.high)
    }
    #expect(losses.map { $0.corrected?.level ?? 0 }.sorted() == [0.95, 0.975])
    // B, tca, loses less than A, streaming-llm; full less than tca.
    #expect(contrasts.map(\.better) == ["B", "A", "not decided", "not decided"])
    let table = try #require(
      Report(of: results(pairs)).data.first { $0.name == "primary_contrast" })
    #expect(table.rows.count == 4)
  }

  @Test(
    "Who loses less is said where two models agree, else on which of them, and elsewhere below the table"
  )
  func claims() throws {
    func claims(_ results: ExperimentResults) throws -> [String] {
      let analysis = ExperimentAnalysis(results)
      return try #require(analysis.primaryAnswer(in: analysis.leadingPools)).statements
    }
    let one = try claims(results(pairs))
    #expect(one.count == 2)
    #expect(
      one[0].hasPrefix(
        "\"tca threshold=0.9\" loses less than \"streaming-llm\", on one model, which is not enough for a finding "
          + "(at 512 tokens, perplexity/prefill): smollm2-135m -0.0"), "\(one[0])")
    let passkeys = ExperimentAnalysis(results(pairs)).primarySection.items
    #expect(passkeys.count == 2)
    #expect(
      passkeys[0].hasPrefix(
        "\"streaming-llm\" and \"tca threshold=0.9\" are not told apart (at 512 tokens, passkey; the second against the first): "
      ), "\(passkeys[0])")
    let two = try claims(results(pairs, models: 2))
    #expect(
      two[0].hasPrefix(
        "\"tca threshold=0.9\" loses less than \"streaming-llm\" (at 512 tokens, perplexity/prefill): smollm2-135m -0.0"
      ),
      "\(two[0])")
    #expect(two[0].contains("; model 1 -0.0") && two[0].contains(" of the bytes against 0.250"))
    #expect(two[1].hasPrefix("\"full\" loses less than \"tca threshold=0.7\" (at 512"))
    #expect(two[1].contains(": smollm2-135m -0.0"))
    var apart = results(pairs, models: 2)
    for unit in apart.rows[11].units.indices {
      apart.rows[11].units[unit].negativeLogLikelihood? += 64
    }
    #expect(
      try claims(apart)[0].hasPrefix(
        "the models contradict each other about \"streaming-llm\" and \"tca threshold=0.9\" (at 512 tokens"
      ))
    var half = results(pairs, models: 2)
    half.rows.removeAll { $0.planned.cell.model == "model 1" && $0.planned.label.hasSuffix("0.9") }
    #expect(
      try claims(half)[0].hasPrefix(
        "\"tca threshold=0.9\" loses less than \"streaming-llm\" on smollm2-135m, decided on no other of 2 models"
      ))
  }

  @Test("Elsewhere the named pairs are marked as primary, others as exploratory")
  func marked() throws {
    let table = try #require(ExperimentAnalysis(results(pairs)).qualitySection.tables.first)
    let column = try #require(table.columns.firstIndex { $0.heading == "contrast" })
    #expect(
      table.texts.prefix(3).map { $0[column] } == ["exploratory", "primary", "exploratory"])
    let report = try Report(
      comparing: "tca threshold=0.9", with: "streaming-llm", in: [results(pairs)])
    #expect(report.sections[1].tables[0].texts[0].contains("primary"))
  }

  @Test("A text that is taken together with others is exploratory for itself: the pool decides")
  func pooled() throws {
    var results = results(pairs)
    for row in results.rows.prefix(4) {
      var copy = row
      copy.planned.cell.identity += " other"
      copy.planned.fullIdentity += " other"
      copy.planned.cell.taskParameters = [
        "samples": 8, "scoredTokens": 256, "corpus": "other",
      ]
      results.rows.append(copy)
    }
    let table = try #require(ExperimentAnalysis(results).qualitySection.tables.first)
    #expect(table.texts.filter { $0.contains("primary") }.allSatisfy { $0[2] == "passkey" })
    let tables = try Report(
      comparing: "tca threshold=0.9", with: "streaming-llm", in: [results]
    ).sections[1].tables
    // The passkeys are no pool.
    #expect(tables[0].texts.map { $0.contains("primary") } == [false, true, false])
    #expect(tables[1].texts.map { $0.contains("primary") } == [true])
    #expect(
      ExperimentAnalysis(results).primaryContrasts.map(\.difference.clusterKind)
        == [.text, .text, .prompt, .prompt])
  }
}
