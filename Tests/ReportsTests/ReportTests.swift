import JSON
import Records
import Testing

@testable import Reports

@Suite("Report contents")
struct ReportTests {
  private func flags(
    _ change: (inout ExperimentResults) -> Void
  ) -> [String] {
    var results = ExampleResults.experiment(contexts: [512])
    change(&results)
    return ExperimentAnalysis(results).flags
  }

  private func terminal(_ results: ExperimentResults) -> String {
    TerminalRenderer().files(of: Report(of: results))[0].text
  }

  @Test("A sound experiment has no flag")
  func sound() { #expect(flags { _ in }.isEmpty) }

  @Test("Fewer than eight windows are flagged, since there is no interval; prompts have their test")
  func fewWindows() {
    let few = flags { results in
      for row in 0..<4 { results.rows[row].units.removeLast() }
    }
    #expect(
      few == [
        "fewer than 8 windows of a text, or fewer than 4 texts, so no intervals: perplexity/prefill (7 windows)"
      ])
  }

  @Test("Tasks at which full attention is no better than guessing are marked in every row")
  func atChance() {
    // Rows 4 to 7 are the passkeys; full's is row 4.
    func marked(_ scores: [Double], chance: Double?) -> Bool {
      var results = ExampleResults.experiment(contexts: [512])
      results.rows[4].units = scores.enumerated().map { index, score in
        ScoredUnit(sample: index, index: 0, place: 0, tokens: 1, score: score)
      }
      results.rows[4].figures[.chanceLevel] = chance
      let analysis = ExperimentAnalysis(results)
      let rows = analysis.rows.map(\.isAtChance)
      #expect(Set(rows[..<4]) == [false] && Set(rows[4...]).count == 1)
      let flagged = analysis.flags.contains { $0.hasPrefix("full attention is at chance") }
      #expect(flagged == rows[4])
      #expect(
        ReportTable([analysis.rows[7]], ColumnRule.names).texts[0][2]
          == (rows[4] ? "passkey ‡" : "passkey"))
      #expect(Report(of: results).legend.contains { $0.hasPrefix("‡") } == rows[4])
      #expect(terminal(results).contains("‡") == rows[4])
      return rows[4]
    }
    #expect(marked([0, 0, 0, 0], chance: nil))
    #expect(!marked([0, 0, 0, 1], chance: nil))
    // One of four may be luck where one in ten is.
    #expect(marked([0, 0, 0, 1], chance: 0.1))
    #expect(!marked([0, 0, 0, 1], chance: 0.001))
    #expect(marked([0, 0, 0, 1], chance: 0.25))
    let half = (0..<16).map { Double($0 % 2) }
    #expect(marked(half, chance: 0.4))
    #expect(!marked(half, chance: 0.1))
    #expect(!marked(half.map { 0.5 + $0 / 2 }, chance: 0.5))
  }

  @Test(
    "A method that passes an oracle of its class is named, in the share that the class is bound by")
  func passedOracles() {
    /// Row 1 becomes the oracle; row 3 is the method.
    func passed(
      _ oracle: String, _ parameters: JSONValue = [:],
      _ figures: [(ComparisonColumn, oracle: Double, method: Double)]
    ) -> [String] {
      flags { results in
        results.rows[1].planned.cell.strategy = oracle
        results.rows[1].planned.cell.strategyRole = .oracle
        results.rows[1].planned.cell.readsFuture = oracle == "oracle-eviction"
        results.rows[1].planned.cell.strategyParameters = parameters
        for (column, oracle, method) in figures {
          results.rows[1].figures[column] = oracle
          results.rows[3].figures[column] = method
          // The other methods keep more.
          results.rows[2].figures[column] = 0.9
        }
      }.filter { $0.hasPrefix("passes its oracle") }
    }
    let eviction = passed(
      "oracle-eviction", ["scope": "head"],
      [(.retainedFraction, 0.3, 0.3), (.decodeDroppedMass, 0.2, 0.1)])
    #expect(eviction.count == 1)
    #expect(eviction[0].contains("tca threshold=0.9") && eviction[0].contains("scope model"))
    let impossible = passed(
      "oracle-eviction", ["scope": "model"],
      [(.retainedFraction, 0.3, 0.29), (.decodeDroppedMass, 0.2, 0.1)])
    #expect(impossible.count == 1 && impossible[0].hasSuffix("please report it"))
    // It keeps more, or drops as much.
    #expect(
      passed(
        "oracle-eviction", [:], [(.retainedFraction, 0.3, 0.31), (.decodeDroppedMass, 0.2, 0.1)]
      )
      .isEmpty)
    #expect(
      passed(
        "oracle-eviction", [:], [(.retainedFraction, 0.3, 0.3), (.decodeDroppedMass, 0.2, 0.2)]
      )
      .isEmpty)
    #expect(
      passed(
        "oracle-top-k", [:],
        [
          (.nominalDensity, 0.3, 0.3), (.droppedMass, 0.2, 0.1), (.decodeNominalDensity, 0.3, 0.3),
          (.decodeDroppedMass, 0.2, 0.1),
        ]
      ).count == 2)
    // An oracle that leaves a phase dense bounds nothing there.
    #expect(
      passed("oracle-top-p", [:], [(.nominalDensity, 1, 0.3), (.droppedMass, 0.2, 0.1)]).isEmpty)
  }

  @Test("What reads the future is marked, whatever its name")
  func readsFuture() {
    for readsFuture in [true, false] {
      var results = ExampleResults.experiment(contexts: [512])
      results.rows[1].planned.cell.readsFuture = readsFuture
      let marks = ExperimentAnalysis(results).rows[1].strategy.marks
      #expect(marks.contains(.readsFuture) == readsFuture)
      #expect(Report(of: results).legend.contains { $0.hasPrefix("§") } == readsFuture)
      #expect(terminal(results).contains("§ Reads the future") == readsFuture)
    }
  }

  @Test("LongBench-E is shown by the intervals of length that it reports by, other tasks are not")
  func lengths() throws {
    func section(_ dataset: String) -> ReportSection {
      var results = ExampleResults.experiment(contexts: [512])
      for row in 4...7 {
        results.rows[row].planned.cell.task = "longbench"
        results.rows[row].planned.cell.taskParameters = ["dataset": .string(dataset)]
        for (unit, words) in [3999.0, 4000, 7999, 12_000].enumerated() {
          results.rows[row].units[unit].place = words
          results.rows[row].units[unit].score = [0.5, 1, 0, 0.25][unit]
        }
      }
      return ExperimentAnalysis(results).lengthSection
    }
    #expect(section("qasper").isEmpty)
    let table = try #require(section("qasper_e").tables.first)
    #expect(table.rows.count == 4)
    #expect(
      table.texts.allSatisfy { Array($0.suffix(4)) == ["0.500", "0.500", "0.250", "1 / 2 / 1"] })
  }

  @Test("Better than full beyond the interval is flagged, within it not")
  func betterThanFull() {
    func changed(by loss: @escaping (Int) -> Double) -> [String] {
      flags { results in
        for index in results.rows[3].units.indices {
          results.rows[3].units[index].negativeLogLikelihood =
            results.rows[0].units[index].negativeLogLikelihood.map { $0 + loss(index) }
        }
      }
    }
    #expect(
      changed { -1 - Double($0) / 10 }.first
        == "better than full beyond chance, which a sparse method should not be: tca threshold=0.9, smollm2-135m at "
        + "512, perplexity/prefill, negative log-likelihood -0.0211 [-0.0243, -0.0179]")
    #expect(changed { $0 % 2 == 0 ? -1 : 0.9 }.isEmpty)
  }

  @Test("A bound that is broken, a budget that does not bind and errors that rise are flagged")
  func impossibleFigures() {
    let broken = flags { $0.rows[1].figures[.boundRatio] = 1.21 }
    #expect(
      broken.first
        == "error above its theoretical bound: streaming-llm, smollm2-135m at 512, perplexity/prefill, bound ratio 1.210"
    )
    #expect(flags { $0.rows[1].figures[.boundRatio] = 1.04 }.isEmpty)
    let rising = flags { $0.rows[3].figures[.relativeOutputError] = 0.2 }
    #expect(
      rising.first
        == "error rises with the budget: tca threshold=0.9, smollm2-135m at 512, perplexity/prefill, 0.200 at nominal density 0.450 "
        + "against 0.160 of tca threshold=0.7 at 0.300")
    let otherParameter = flags {
      $0.rows[3].figures[.relativeOutputError] = 0.2
      $0.rows[3].planned.cell.strategyParameters = ["blockSize": 64, "threshold": 0.9]
    }
    #expect(otherParameter.isEmpty)
  }

  @Test(
    "A budget does not bind where nearly all pairs were selected and tokens kept, in every phase; what was computed says nothing"
  )
  func notBinding() {
    func flagged(
      _ figures: [ComparisonColumn: Double], _ taskProtocol: String = "prefill"
    ) -> [String] {
      flags { results in
        for row in 0..<4 { results.rows[row].planned.cell.taskProtocol = taskProtocol }
        results.rows[1].figures.merge(figures) { $1 }
      }
    }
    let loose: [ComparisonColumn: Double] = [.nominalDensity: 0.97, .retainedFraction: 0.99]
    #expect(
      flagged(loose) == [
        "not binding, hardly anything was left out: streaming-llm, smollm2-135m at 512, perplexity/prefill, nominal density "
          + "0.970, tokens kept 0.990"
      ])
    // Hidden halves of tiles, more than there is to attend to.
    #expect(flagged([.nominalDensity: 0.89, .retainedFraction: 0.96, .density: 1.147]).isEmpty)
    // Dense prefill, but a cache that is cut, or whose tokens gave up their bits.
    #expect(flagged([.nominalDensity: 1, .retainedFraction: 0.5]).isEmpty)
    #expect(flagged(loose.merging([.kvCacheLogicalBytesRatio: 0.3]) { $1 }).isEmpty)
    // Where tokens are decoded that phase has its say, and has to be measured.
    #expect(flagged(loose, "continuation").isEmpty)
    for (decoded, count) in [(0.5, 0), (0.96, 1)] {
      let all = loose.merging([.decodeNominalDensity: decoded]) { $1 }
      #expect(flagged(all, "continuation").count == count)
    }
  }

  @Test("Several sources, changed files, missing and failed cells are flagged")
  func provenance() {
    let flags = flags { results in
      var second = results.runs[0]
      second.id = 2
      second.provenance.sourceState = "abc-dirty"
      second.provenance.cpu = "Another CPU"
      results.runs.append(second)
      results.timingGroups[1].run = 2
      results.rows[7].kinds = [:]
      results.rows[6].failure = StoredFailure(run: 2, reason: "x")
    }
    #expect(flags.contains("figures come from 2 states of the source: 0123456789ab, abc-dirty"))
    #expect(flags.contains("built from files that differ from the commit: abc-dirty"))
    let times = flags.first { $0.hasPrefix("times come from 2 machines or builds, ") } ?? ""
    #expect(times.contains(" cells on Made-up CPU, "), "\(times)")
    #expect(times.contains(" cells on Another CPU, "), "\(times)")
    #expect(times.contains("built from abc-dirty, "), "\(times)")
    #expect(flags.contains("1 of 8 cells have no results yet"))
    #expect(
      flags.contains("1 of 8 cells failed: x (tca threshold=0.7, smollm2-135m at 512, passkey)"))
  }

  @Test("Failed cells are said with their reasons, a few of many; one cell is no cells")
  func failures() {
    let many = flags { results in
      for row in 1..<8 {
        results.rows[row].failure = StoredFailure(run: 1, reason: row < 4 ? "no room" : "r\(row)")
      }
    }
    #expect(
      many.last
        == "7 of 8 cells failed: no room (streaming-llm, smollm2-135m at 512, perplexity/prefill and 2 more); "
        + "r4 (full, smollm2-135m at 512, passkey); r5 (streaming-llm, smollm2-135m at 512, passkey); and 2 other reasons"
    )
    let one = flags { results in
      results.rows = [ComparisonRow(planned: results.rows[0].planned)]
      results.timingGroups = []
    }
    #expect(one == ["1 of 1 cell has no results yet"])
  }

  @Test("Strategies without a dropped mass are named, with the reason")
  func otherLogits() {
    func text(_ change: (inout ExperimentResults) -> Void) -> [String] {
      var results = ExampleResults.experiment(contexts: [512])
      change(&results)
      return ExperimentAnalysis(results).approximationSection.text
    }
    #expect(text { _ in }.count == 1)
    let texts = text { results in
      for column in [ComparisonColumn.droppedMass, .worstDroppedMass] {
        results.rows[1].figures[column] = nil
      }
    }
    let label = ExampleResults.experiment(contexts: [512]).rows[1].planned.label
    #expect(
      texts.last
        == "No dropped mass and no bound ratio (–), since the logits are not the dense ones: \(label). Compare their output error."
    )
  }

  @Test("The mark for looking ahead is on prefill figures only")
  func looksAhead() {
    let rows = ExperimentAnalysis(ExampleResults.experiment(contexts: [512])).rows
    #expect(rows.filter(\.looksAhead).map(\.task) == ["perplexity/prefill", "perplexity/prefill"])
  }

  @Test("Tasks of one name are told apart by the parameters that differ at the same length")
  func taskLabels() {
    var results = ExampleResults.experiment()
    #expect(
      Set(ExperimentAnalysis(results).rows.map(\.task)) == ["perplexity/prefill", "passkey"])
    for row in results.rows where row.planned.cell.task == "passkey" {
      var copy = row
      copy.planned.cell.identity += " unaware"
      copy.planned.fullIdentity += " unaware"
      copy.planned.cell.taskParameters = [
        "samples": 8, "scoredTokens": .integer(row.planned.cell.contextLength / 2),
        "queryAware": false,
      ]
      results.rows.append(copy)
    }
    #expect(
      Set(ExperimentAnalysis(results).rows.map(\.task))
        == ["perplexity/prefill", "passkey queryAware=null", "passkey queryAware=false"])
  }

  @Test("Calibrations that no cell names are left out, those of a composition's parts are not")
  func calibrations() throws {
    var results = ExampleResults.experiment(contexts: [512])
    func shown() -> Int {
      Report(of: results).sections.first { $0.title == "Calibration" }?.tables[0].rows.count ?? 0
    }
    let used = results.calibrations[0]
    let changes: [(inout CalibrationRecord) -> Void] = [
      { $0.options = ["blockSize": 64] }, { $0.modelDigest = "other" }, { $0.strategy = "snapkv" },
    ]
    results.calibrations += changes.map { change in
      var other = used
      change(&other)
      return other
    }
    #expect(shown() == 1)
    for index in results.rows.indices where results.rows[index].planned.cell.strategy == "tca" {
      results.rows[index].planned.cell.strategyParameters = [
        "blockSize": 64, "calibrationCorpus": "persuasion",
      ]
    }
    #expect(shown() == 0)
    for index in results.rows.indices where results.rows[index].planned.cell.strategy == "tca" {
      results.rows[index].planned.cell.strategy = "compose"
      results.rows[index].planned.cell.strategyParameters = [
        "retention": ["name": "tca", "blockSize": 128, "calibrationCorpus": "emma"]
      ]
    }
    #expect(shown() == 1)
  }

  @Test("Nothing measured makes a short report, not a wrong one")
  func empty() throws {
    var results = ExampleResults.experiment(contexts: [512])
    results.timingGroups = []
    results.calibrations = []
    results.rows = results.rows.map { ComparisonRow(planned: $0.planned) }
    let report = Report(of: results)
    #expect(report.sections.map(\.title) == ["Read with care", "Comparison"])
    #expect(
      report.sections.last?.tables[0].columns.map(\.heading) == [
        "model", "context", "task", "strategy",
      ])
    results.rows = []
    results.runs = []
    #expect(terminal(results).hasSuffix("no cells\n"))
    for format in ReportFormats.all { _ = format.files(of: Report(of: results)) }
  }

  @Test("A pipe, a line break or a heading in a name cannot break a Markdown table")
  func escaping() throws {
    let report = Report(
      title: "a\n# b",
      sections: [
        ReportSection(
          title: "x",
          tables: [ReportTable(columns: [.init(name: "h|1", kind: .words)], rows: [["a|b\n## c"]])])
      ])
    let text = MarkdownRenderer().files(of: report)[0].text
    #expect(
      text == """
        # a # b

        ## x

        | h\\|1      |
        | --------- |
        | a\\|b ## c |

        """)
  }

  @Test(
    "A table that would hide what follows it is left to the page and the data", arguments: [0, 1])
  func longTables(_ more: Int) {
    let rows = MarkdownRenderer.mostRows + more
    let table = ReportTable(
      columns: [.init(name: "row", kind: .numbers)],
      rows: (1...rows).map { [.text("\($0)")] })
    let report = Report(title: "a", sections: [ReportSection(title: "x", tables: [table])])
    let text = MarkdownRenderer().files(of: report)[0].text
    #expect(text.contains("| \(rows) |") == (more == 0))
    #expect(text.contains("A table of \(rows) rows: on the page") == (more > 0), "\(text)")
  }

  @Test("Comparing what is not there names what is")
  func comparisonErrors() {
    let results = ExampleResults.experiment(contexts: [512])
    let unknown = #expect(throws: ReportError.self) {
      try Report(comparing: "tcb", with: "full", in: [results])
    }
    #expect(
      unknown?.description
        == "there is no strategy \"tcb\" in the stored experiments. There are \"full\", \"streaming-llm\", "
        + "\"tca threshold=0.7\", \"tca threshold=0.9\".")
    #expect(throws: ReportError.self) {
      try Report(comparing: "tca", with: "full", in: [])
    }
    var other = results
    other.rows = []
    #expect(throws: ReportError.self) { try Report(comparingRun: results, with: other) }
  }

  @Test("A strategy's name stands for all of its labels, each in its row")
  func comparisonByName() throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca", in: [ExampleResults.experiment(contexts: [512])])
    let quality = report.sections[1].tables[0]
    #expect(quality.columns[3].heading == "strategy")
    #expect(
      quality.texts.map { $0[3] }
        == ["streaming-llm / tca threshold=0.7", "streaming-llm / tca threshold=0.9"]
        + ["streaming-llm / tca threshold=0.7", "streaming-llm / tca threshold=0.9"])
    // No cell is compared with itself.
    let own = try Report(
      comparing: "tca", with: "tca threshold=0.9", in: [ExampleResults.experiment(contexts: [512])])
    #expect(own.sections[1].tables[0].rows.count == 2)
  }

  @Test(
    "Numbers look the same everywhere",
    arguments: [
      (.fixed(2), -0.0001, "0.00"), (.fixed(2), nil, "–"), (.fixed(1), .infinity, "inf"),
      (.signed(2), 0.00001, "0.00"), (.signed(2), 0.126, "+0.13"), (.signed(2), -0.126, "-0.13"),
      (.significant, 0.09124, "0.0912"), (.significant, 123.4, "123"),
      (.significant, 0.00001234, "1.23e-05"), (.significant, 0, "0"),
      (.count, 1_234_567, "1,234,567"), (.count, 999, "999"), (.count, -1000, "-1,000"),
      (.count, 0.5, "–"), (.mebibytes, 1_572_864, "1.50"), (.milliseconds, 0.0123, "12.3"),
      (.milliseconds, 5.23e-5, "0.0523"), (.milliseconds, 0, "0"), (.milliseconds, .nan, "–"),
    ] as [(NumberFormat, Double?, String)])
  func numbers(format: NumberFormat, value: Double?, text: String) {
    #expect(format.text(value) == text)
  }
}

@Suite("Marks and formats")
struct MarkTests {
  @Test("A mark in a comparison of two strategies has its footnote")
  func pairFootnotes() throws {
    var results = ExampleResults.experiment(contexts: [512])
    for unit in results.rows[4].units.indices { results.rows[4].units[unit].score = 0 }
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9", in: [results])
    let tasks = report.sections[1].tables[0].rows.map { $0[2].marks }
    #expect(tasks == [[.looksAhead], [.atChance]])
    for mark in tasks.joined() {
      #expect(report.legend.contains { $0.hasPrefix(mark.symbol + " ") })
    }
  }

  @Test("Every format is one entry of a list, and writes at least one file under a name of its own")
  func formats() {
    let report = Report(of: ExampleResults.experiment())
    #expect(
      ReportFormats.all.map(\.name) == ["markdown", "csv", "html", "svg", "latex", "terminal"])
    for format in ReportFormats.all {
      let names = format.files(of: report).map(\.name)
      #expect(!names.isEmpty && Set(names).count == names.count)
    }
  }

  @Test("Without a summary the terminal shows the sections")
  func sections() throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9",
      in: [ExampleResults.experiment(contexts: [512])])
    let text = TerminalRenderer().files(of: report)[0].text
    #expect(text.contains("example: quality") && text.contains("perplexity/prefill †"))
  }
}
