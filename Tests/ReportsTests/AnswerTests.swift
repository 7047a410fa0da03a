import JSON
import Records
import Testing

@testable import Reports

/// Strategies with a share of the bytes and a loss on each text, the same in every window.
struct KnownStrategy {
  var label: String
  var share: Double
  /// Nats a token, by text.
  var losses: [Double]
  var cache = "f16"
  var role = StrategyRole.method

  static func full(_ texts: Int = 4) -> KnownStrategy {
    KnownStrategy(label: "full cache=f16", share: 1, losses: [Double](repeating: 0, count: texts))
  }
}

extension ExampleResults {
  static let texts = ["kjv", "code", "jargon", "emma", "sqlite"]

  /// By model its strategies, the first of which is full.
  static func known(
    _ models: [(name: String, strategies: [KnownStrategy])], context: Int = 2048, windows: Int = 8
  ) -> ExperimentResults {
    var results = experiment(contexts: [512])
    results.timingGroups = []
    results.rows = models.flatMap { model, strategies in
      strategies[0].losses.indices.flatMap { text in
        strategies.map {
          row($0, model: model, text: text, full: strategies[0].label, context, windows)
        }
      }
    }
    return results
  }

  /// Five texts, two models, a quantised cache, two methods at two budgets.
  static var twoModels: ExperimentResults {
    func strategies(_ factor: Double) -> [KnownStrategy] {
      func lost(_ losses: [Double]) -> [Double] { losses.map { factor * $0 } }
      return [
        .full(5),
        KnownStrategy(
          label: "full cache=q4_0", share: 0.281,
          losses: lost([0.001, 0.004, 0.002, 0.003, 0.002]),
          cache: "q4_0"),
        KnownStrategy(
          label: "snapkv meanKvBytes=0.5", share: 0.5,
          losses: lost([0.02, 0.06, 0.03, 0.03, 0.07])),
        KnownStrategy(
          label: "snapkv meanKvBytes=0.25", share: 0.25,
          losses: lost([0.05, 0.18, 0.09, 0.06, 0.17])),
        KnownStrategy(
          label: "h2o meanKvBytes=0.5", share: 0.5, losses: lost([0.01, 0.04, 0.02, 0.03, 0.03])),
        KnownStrategy(
          label: "h2o meanKvBytes=0.25", share: 0.25,
          losses: lost([0.03, 0.17, 0.08, 0.05, 0.1])),
      ]
    }
    return known([("smollm2-135m", strategies(1)), ("gemma3-270m", strategies(1.6))], windows: 9)
  }

  private static func row(
    _ strategy: KnownStrategy, model: String, text: Int, full: String, _ context: Int,
    _ windows: Int
  ) -> ComparisonRow {
    let place = "\(model)-\(context)-\(texts[text])"
    let cell = CellRecord(
      identity: "\(place)-\(strategy.label)", model: model, modelDigest: "b179c9523d0e6a0f",
      contextLength: context, strategy: String(strategy.label.split(separator: " ")[0]),
      strategyParameters: ["cache": .string(strategy.cache)], task: "perplexity",
      taskProtocol: "continuation",
      taskParameters: ["corpus": .string(texts[text]), "samples": .integer(windows)],
      queryAware: true, selectionLooksAhead: false, strategyRole: strategy.role, seed: 7)
    var row = ComparisonRow(
      planned: PlannedCell(cell: cell, label: strategy.label, fullIdentity: "\(place)-\(full)"),
      kinds: [.quality: 1, .memory: 1])
    row.figures = [
      .kvCacheResidentBytes: 1000 * strategy.share,
      .globalMeanKVCacheLogicalBytesRatio: strategy.share,
    ]
    row.units = (0..<windows).map { window in
      ScoredUnit(
        sample: window, index: 0, place: 0, tokens: 64,
        negativeLogLikelihood: 64 * (2.6 + Double(window) / 100 + strategy.losses[text]))
    }
    return row
  }
}

@Suite("The answer")
struct AnswerTests {
  /// The statements to each question, one after another.
  private func answer(_ results: ExperimentResults) -> [String] {
    Report(of: results).answer.map { $0.statements.joined(separator: " ") }
  }

  private func answer(_ strategies: [KnownStrategy], windows: Int = 8) -> [String] {
    answer(ExampleResults.known([("m", strategies)], windows: windows))
  }

  /// Mean 0.05, [0.0370, 0.0630] by Student's t over four texts.
  private let a = KnownStrategy(label: "a", share: 0.25, losses: [0.04, 0.05, 0.06, 0.05])
  /// As much more than a.
  private let b = KnownStrategy(label: "b", share: 0.252, losses: [0.08, 0.1, 0.12, 0.1])

  @Test("Who loses least at a quarter of the bytes, by how much, and how sure that is")
  func leastLoss() {
    let found = answer([
      .full(), a, b, KnownStrategy(label: "c", share: 0.26, losses: [0, 0, 0, 0]),
    ])
    #expect(
      found == [
        "m at 2,048 tokens: \"a\" loses least: "
          + "+0.0500 nats a token [+0.0370, +0.0630] over 4 texts, above full on 4 of them (perplexity +5.1 %), "
          + "at no more than a quarter of the float16 cache (0.250). "
          + "\"b\" loses more, by +0.0500 nats a token [+0.0370, +0.0630], exploratory.",
        "No plain quantised cache stands beside them, so nothing here says that a method is worth its bytes.",
        "m at 2,048 tokens: \"a\" loses most on jargon: +0.0600 nats a token [+0.0600, +0.0600] over 8 windows, "
          + "above full on 8 of them.",
      ])
  }

  @Test("Where the interval holds 0 nobody is ahead, and nothing is called a loss")
  func undecided() {
    let near = KnownStrategy(label: "near", share: 0.2, losses: [0.09, 0.01, 0.1, 0.02])
    let found = answer([.full(), a, near])
    #expect(found[0].contains("Not told apart from \"near\", +0.0050 nats a token [-0.0"))
    #expect(!found[0].contains("loses more"))
    var results = ExampleResults.known([("m", [.full(), a, b])])
    results.experiment.spec = #"{"primary": [["b", "a"]]}"#
    #expect(
      answer(results)[1].hasSuffix(
        "loses more, by +0.0500 nats a token [+0.0370, +0.0630], corrected p 0.00117."))
    let harmless = answer([
      .full(), KnownStrategy(label: "h", share: 0.2, losses: [0.01, -0.01, 0.02, -0.015]),
    ])
    #expect(harmless[0].contains(" (holds 0) over 4 texts, above full on 2 of them"))
    #expect(harmless[0].hasSuffix("; no other method was measured."))
  }

  @Test("A primary contrast has its correction in the answer: one that loses by it is not decided")
  func correction() {
    // Against near a 95 % interval above 0; corrected for three contrasts it holds 0.
    let near = KnownStrategy(label: "near", share: 0.25, losses: [0.05, 0.065, 0.095, 0.07])
    let far = KnownStrategy(label: "far", share: 0.25, losses: [0.05, 0.1, 0.08, 0.2])
    var results = ExampleResults.known([("m", [.full(), a, near, far])])
    #expect(answer(results)[0].contains("\"near\" loses more, by +0.0200 nats a token [+0.00"))
    results.experiment.spec = #"{"primary": [["a", "near"], ["a", "far"], ["far", "near"]]}"#
    let found = answer(results)[1]
    #expect(
      found.contains("Against \"near\" nothing is decided: +0.0200 nats a token [-0.0"), "\(found)")
    #expect(found.contains(", corrected p 0.1"), "\(found)")
  }

  @Test(
    "Where layers with a window hold much, the share of the whole cache stands beside that of the others"
  )
  func wholeCache() {
    let q4 = KnownStrategy(
      label: "full cache=q4_0", share: 0.281, losses: [0.2, 0.21, 0.2, 0.2], cache: "q4_0")
    var results = ExampleResults.known([("m", [.full(), a, q4])])
    #expect(!answer(results)[0].contains("Of all"))
    for index in results.rows.indices {
      let label = results.rows[index].planned.label
      results.rows[index].figures[.meanKVCacheResidentBytesRatio] =
        label == "a" ? 0.74 : label == q4.label ? 0.28 : 1
    }
    #expect(
      answer(results)[0].contains(
        ". Of all that is allocated it holds 0.74, layers with a window included; \"full cache=q4_0\", which rounds those "
          + "too, is at 0.28; no other is as small, the next is \"full cache=q4_0\" at 0.281, +0.2025."
      ))
  }

  @Test("Without an interval the reason stands in its place")
  func noInterval() {
    let found = answer([
      .full(3), KnownStrategy(label: "x", share: 0.2, losses: [0.1, 0.2, 0.3]),
      KnownStrategy(label: "y", share: 0.2, losses: [0.2, 0.3, 0.4]),
      KnownStrategy(label: "full cache=q4_0", share: 0.28, losses: [0, 0, 0], cache: "q4_0"),
    ])
    #expect(
      found[0].contains(
        "\"x\" loses least: +0.2000 nats a token, without an interval (3 texts, fewer than 4)"))
    #expect(found[0].contains("Whether it leads \"y\" is not known"))
    #expect(
      found[1]
        == "m at 2,048 tokens: whether a plain quantised cache does better is not known: 0.0000 nats a token, "
        + "without an interval (3 texts, fewer than 4).")
    let windows = answer(
      [.full(1), KnownStrategy(label: "x", share: 0.2, losses: [0.1])], windows: 3)
    #expect(windows[0].contains("(3 windows, fewer than 8)"))
    #expect(
      windows.last
        == "m at 2,048 tokens: there is one text only, kjv: what \"x\" does on others is not known."
    )
  }

  @Test("What saw the tokens that are scored is not praised without saying so")
  func looksAhead() {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows[1].planned.cell.selectionLooksAhead = true
    #expect(
      answer(results)[0].contains(
        "; its selection saw the tokens that are scored; no other is as small, the next is \"tca threshold=0.7\" at 0.300, +0.0"
      ))
  }

  @Test("Each model has a sentence of its own")
  func models() {
    let other = KnownStrategy(label: "a", share: 0.25, losses: [0.3, 0.3, 0.31, 0.3])
    let results = ExampleResults.known([
      ("one", [.full(), a, b]), ("two", [.full(), other, b]),
    ])
    let found = answer(results)
    #expect(found.count == 3 && found[0].contains("one at 2,048 tokens: \"a\" loses least"))
    #expect(found[0].contains("two at 2,048 tokens: \"b\" loses least"))
    #expect(found[0].contains("(0.250)") && found[0].contains("(0.252)"))
    #expect(
      found[2].contains("\"a\" loses most on jargon")
        && found[2].contains("\"b\" loses most on jargon"))
  }

  @Test("A quantised cache that dominates is named, and one that is dominated too")
  func quantised() {
    let q4 = KnownStrategy(
      label: "full cache=q4_0", share: 0.2, losses: [0.001, 0.002, 0.003, 0.002], cache: "q4_0")
    let kivi = KnownStrategy(
      label: "full cache=kivi2", share: 0.4, losses: [0.4, 0.41, 0.42, 0.41], cache: "kivi2")
    let found = answer([.full(), a, b, q4, kivi])
    #expect(
      found[1].hasPrefix(
        "m at 2,048 tokens: \"full cache=q4_0\" (0.200 of the bytes, +0.0020 nats a token ["))
    #expect(found[1].contains("beats 2 of 2 methods at no more bytes: \"a\", \"b\". "))
    #expect(
      found[1].hasSuffix(
        "\"a\" beats \"full cache=kivi2\" at no more bytes (exploratory). All by bytes and loss, for they were not timed together."
      ))
    #expect(found[0].contains("\"full cache=q4_0\" loses least"))
    let beaten = answer([.full(), a, b, kivi])
    #expect(
      beaten[1]
        == "m at 2,048 tokens: none beats any of 2 methods at no more bytes. \"a\" beats \"full cache=kivi2\" at "
        + "no more bytes (exploratory). All by bytes and loss, for they were not timed together.")
    let formats = answer([.full(), q4, kivi])
    #expect(formats[1] == "m at 2,048 tokens: every format loses something beyond chance.")
    var free = q4
    free.losses = [0.001, -0.001, 0.0005, -0.0006]
    #expect(
      answer([.full(), free, kivi])[1].contains(
        "the smallest cache whose loss is not told apart from none is \"full cache=q4_0\" (0.200): "
      ))
  }

  @Test("Oracles are no answer, and without a quarter the least share is")
  func share() {
    let oracle = KnownStrategy(label: "o", share: 0.2, losses: [0, 0, 0, 0], role: .oracle)
    var wide = a
    wide.share = 0.6
    let found = answer([.full(), oracle, wide])
    #expect(
      found[0].hasPrefix(
        "m at 2,048 tokens: \"a\" loses +0.0500"))
    #expect(found[0].contains(", at 0.600 of the float16 cache, the least that was measured;"))
  }

  @Test("Without bytes the least loss is said, and that nothing is known of its price")
  func withoutBytes() {
    var results = ExampleResults.known([("m", [.full(), a, b])])
    for index in results.rows.indices { results.rows[index].figures = [:] }
    let report = Report(of: results)
    #expect(report.frontier == nil && report.overview == nil)
    #expect(
      report.answer[0]
        == ReportAnswer(
          question: "Which loses least?",
          statements: [
            "m at 2,048 tokens: of 2 strategies \"a\" loses least: +0.0500 nats a token [+0.0370, +0.0630] over 4 texts, "
              + "above full on 4 of them.",
            "KV bytes were not measured, so nothing is said of what a loss pays for.",
          ]))
  }

  @Test("Needles are answered by scores with their test")
  func needles() {
    var results = ExampleResults.experiment(contexts: [512])
    results.rows.removeFirst(4)
    let found = answer(results)
    #expect(
      found[0]
        == "smollm2-135m at 512 tokens: \"streaming-llm\" loses score 0.000 against 1.000 of full, -1.000 (p 0.125), over 4 "
        + "prompts, not told apart, at no more than a quarter of full's cache (f32) (0.250); no other is as small, the next is "
        + "\"tca threshold=0.7\" at 0.300, score -0.750."
    )
  }

  @Test("Where only times were measured they are the answer; where nothing was, that")
  func nothing() {
    var results = ExampleResults.experiment()
    for index in results.rows.indices { results.rows[index].units = [] }
    let timed = answer(results)
    #expect(timed.count == 1)
    #expect(
      timed[0].hasPrefix(
        "smollm2-135m at 2,048 tokens: the fastest first token is that of \"tca threshold=0.9\", 0.7"
      ))
    #expect(timed[0].hasSuffix("Neither likelihood nor score was compared."))
    results.timingGroups = []
    #expect(
      answer(results)
        == [
          "There is nothing to compare: no two strategies have results on the same windows or prompts."
        ])
    results.rows = results.rows.map { ComparisonRow(planned: $0.planned) }
    #expect(answer(results) == ["There is nothing to compare yet: none of 16 cells has results."])
    results.rows = []
    #expect(answer(results) == ["There is nothing to compare: the experiment has no cells."])
  }

  @Test("One table has a line for each strategy, and says what it leaves out")
  func overview() throws {
    let many = (0..<40).map { number in
      KnownStrategy(
        label: "s\(number)", share: 0.3 + Double(number) / 100,
        losses: [0.1, 0.12, 0.11, 0.1].map { $0 + Double(number) / 100 })
    }
    let report = Report(of: ExampleResults.known([("m", [.full()] + many)]))
    let overview = try #require(report.overview)
    let table = try #require(overview.tables.first)
    #expect(table.rows.count == ExperimentAnalysis.overviewLines)
    #expect(table.texts[0][0] == "full cache=f16" && table.texts.last?[0] == "s0")
    #expect(
      overview.text[0].hasSuffix(
        " Without 21 strategies, dominated or losing more than these: see below."))
    let two = Report(of: ExampleResults.known([("one", [.full(), a, b]), ("two", [.full(), a])]))
    #expect(two.overview?.tables[0].rows.count == 3)
    #expect(
      two.overview?.tables[0].columns.map(\.name.onOneLine).contains("two loss") == true)
  }
}

@Suite("Crossovers")
struct CrossoverTests {
  @Test("A ratio that is a power of the length passes 1 where the power says")
  func power() throws {
    // (n / 2000)^-0.5, intervals of 5 %.
    let ratios = [500.0, 1000, 4000, 16_000].map { length in
      (length: length, ratio: ExampleCharts.spread((length / 2000).squareRoot().reciprocal))
    }
    let found = try #require(Crossover(ratios))
    #expect(abs(found.length / 2000 - 1) < 1e-9)
    #expect(abs(found.interval.low / (2000 / 1.05 / 1.05) - 1) < 1e-9)
    #expect(abs(found.interval.high / (2000 * 1.05 * 1.05) - 1) < 1e-9)
  }

  @Test("Never reached, always ahead, open at one end or without an interval: none")
  func none() {
    func found(_ ratios: [Double]) -> Crossover? {
      Crossover(
        ratios.enumerated().map { (Double(1000 << $0.offset), ExampleCharts.spread($0.element)) })
    }
    #expect(found([1.4, 1.2, 1.1]) == nil)
    #expect(found([0.9, 0.8, 0.7]) == nil)
    #expect(found([1.2, 0.97]) == nil)
    #expect(found([]) == nil)
    #expect(found([1.2, 0.8, 1.1, 0.7]).map { $0.length > 4000 } == true)
    var without = ExampleCharts.spread(0.5)
    without.interval = nil
    #expect(Crossover([(1000, ExampleCharts.spread(1.5)), (2000, without)]) == nil)
  }
}

extension Double {
  fileprivate var reciprocal: Double { 1 / self }
}
