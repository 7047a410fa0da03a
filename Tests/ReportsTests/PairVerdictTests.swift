import Records
import Testing

@testable import Reports

@Suite("The verdict of a comparison")
struct PairVerdictTests {
  private typealias Example = LeaderboardExample
  private static let snapkv = Example.methods[4].label
  private static let h2o = Example.methods[5].label

  private func comparison(
    _ first: String = snapkv, _ second: String = h2o,
    _ change: (inout ExperimentResults) -> Void = { _ in }
  ) throws -> PairComparison {
    var results = Example.quality()
    change(&results)
    return try PairComparison(of: first, with: second, in: [results])
  }

  private func verdicts(
    _ first: String = snapkv, _ second: String = h2o,
    _ change: (inout ExperimentResults) -> Void = { _ in }
  ) throws -> [String] {
    try comparison(first, second, change).report.sections[0].items
  }

  private let place = "smollm2-135m at 2,048 tokens, perplexity/continuation, 5 together: "

  @Test(
    "At the same bytes it says who loses less, by how much, how sure that is, and on how many texts"
  )
  func decided() throws {
    let forth = try verdicts()
    try #require(forth.count == 1)
    #expect(
      forth[0].hasPrefix(place + "at the same mean KV bytes (11.25 MiB) A loses 0.2"), "\(forth[0])"
    )
    #expect(forth[0].hasSuffix("] nats") == false && forth[0].hasSuffix("on 5 of 5 texts."))
    #expect(forth[0].contains(" nats a token less, [0."))
    // The other way round the same amount, and the same interval.
    let back = try verdicts(Self.h2o, Self.snapkv)
    #expect(back[0] == forth[0].replacing("less", with: "more"))
  }

  @Test("Where bytes differ it says so, and by how much")
  func otherBytes() throws {
    let texts = try verdicts(Self.snapkv, "snapkv meanKvBytes=0.5")
    #expect(
      texts[0].hasSuffix(
        "on 5 of 5 texts; mean KV bytes differ: A 11.25 MiB, B 22.50 MiB (A holds 0.500 of B's)."),
      "\(texts[0])")
    #expect(texts[0].contains("A loses 0.0") && texts[0].contains("more"))
  }

  @Test("A budget is met within 1 %, on either side; without bytes it says so")
  func bytes() throws {
    func text(_ factor: Double?, without: [ComparisonColumn] = []) throws -> String {
      try verdicts(Self.snapkv, Self.h2o) { results in
        for index in results.rows.indices where results.rows[index].planned.label == Self.h2o {
          let column = ComparisonColumn.globalMeanKVCacheLogicalBytes
          results.rows[index].figures[column] = factor.flatMap { factor in
            results.rows[index].figures[column].map { $0 * factor }
          }
          for column in without { results.rows[index].figures[column] = nil }
        }
      }[0]
    }
    for factor in [1.0099, 1 / 1.0099] { #expect(try text(factor).contains("at the same")) }
    for factor in [1.0101, 1 / 1.0101] { #expect(try text(factor).contains("bytes differ")) }
    // As everywhere: the mean of what is allocated, and only then what is left of the prompt.
    #expect(try text(nil).contains("at the same mean KV bytes"))
    let mean = ComparisonColumn.meanKVCacheResidentBytes
    #expect(try text(nil, without: [mean]).contains("at the same KV bytes after the prompt"))
    let all = [mean, .kvCacheResidentBytes]
    #expect(try text(nil, without: all).hasSuffix("; KV bytes were not measured."))
  }

  @Test("An interval that contains 0 shows no difference")
  func undecided() throws {
    let texts = try verdicts("snapkv meanKvBytes=0.5", "h2o meanKvBytes=0.5")
    #expect(
      texts[0].contains("no difference shown: A loses 0.00")
        && texts[0].hasSuffix("; the interval contains 0."), "\(texts[0])")
  }

  @Test("Too few windows or texts have no interval, and that is said")
  func noInterval() throws {
    let texts = try verdicts { results in
      results.rows.removeAll { !$0.planned.cell.identity.hasPrefix("kjv") }
      for index in results.rows.indices { results.rows[index].units.removeLast() }
    }
    #expect(
      texts[0].contains(
        "on 7 of 7 windows; how sure that is is not known, for an interval takes 8 windows of a text or 4 texts"
      ), "\(texts[0])")
  }

  @Test("Texts of few windows have to agree in all but one")
  func disagreeingTexts() throws {
    let texts = try verdicts { results in
      for index in results.rows.indices {
        results.rows[index].units.removeLast(4)
        // Two texts go slightly against the rest: the interval lies above 0 all the same.
        guard results.rows[index].planned.label == Self.h2o else { continue }
        let text = results.rows[index].planned.cell.identity.split(separator: " ")[0]
        let loss = ["kjv", "code"].contains(text) ? -0.0001 : 0.0004
        let partner = results.rows.first {
          $0.planned.label == Self.snapkv && $0.planned.cell.identity.hasPrefix(text + " ")
        }
        for (unit, other) in (partner?.units ?? []).enumerated() where unit < 4 {
          results.rows[index].units[unit].negativeLogLikelihood = other.negativeLogLikelihood.map {
            $0 + 64 * loss
          }
        }
      }
    }
    #expect(texts[0].contains("no difference shown"), "\(texts[0])")
  }

  @Test("Scores are said with their test, and chance decides nothing")
  func scores() throws {
    let needles = Example.needles([
      (Example.full, 8), (Example.methods[4], 8), (Example.methods[5], 1),
    ])
    func text(_ results: ExperimentResults) throws -> String {
      try PairComparison(of: "snapkv", with: "h2o", in: [results]).report.sections[0].items[0]
    }
    let won = try text(needles)
    #expect(
      won.hasPrefix(
        "smollm2-135m at 2,048 tokens, ruler: at the same mean KV bytes (11.25 MiB) A scores 0.875 higher, better on 7 and worse on 0 of 8 prompts, p 0.0156"
      ), "\(won)")
    var lost = needles
    for unit in lost.rows[0].units.indices { lost.rows[0].units[unit].score = 0 }
    #expect(try text(lost).contains("full attention is at chance"))
    #expect(
      try text(
        Example.needles([(Example.full, 8), (Example.methods[4], 3), (Example.methods[5], 4)])
      )
      .contains("no difference shown: A scores 0.125 lower"))
  }

  @Test("All labels of a name have a verdict each, with both labels")
  func names() throws {
    let texts = try verdicts("snapkv", "h2o")
    #expect(texts.count == 4)
    #expect(texts.allSatisfy { $0.contains("(snapkv meanKvBytes=0.") })
  }

  // MARK: Conditions

  private func failures(_ condition: String, _ comparison: PairComparison) throws -> [String] {
    comparison.failures(of: try PairCondition(parsing: condition))
  }

  @Test(
    "A condition holds or not at each place",
    arguments: [
      ("worse", true), ("difference>0.2", true), ("difference > 0.9", false), ("low>0.0", true),
      ("low<0", false), ("high<1", true), ("bytes>1.01", false), ("bytes<1.01", true),
      ("difference<-1e-3", false),
    ])
  func conditions(condition: String, holds: Bool) throws {
    let found = try failures(condition, try comparison())
    #expect(found.count == (holds ? 1 : 0), "\(found)")
    #expect(found.allSatisfy { $0.hasPrefix("holds for \(place.dropLast(2))") })
  }

  @Test("B that is better, or not shown to be worse, is not worse")
  func notWorse() throws {
    #expect(try failures("worse", comparison(Self.h2o, Self.snapkv)).isEmpty)
    #expect(
      try failures("worse", comparison("snapkv meanKvBytes=0.5", "h2o meanKvBytes=0.5")).isEmpty)
  }

  @Test("What cannot be judged fails, and says why")
  func notKnown() throws {
    let few = try comparison { results in
      results.rows.removeAll { !$0.planned.cell.identity.hasPrefix("kjv") }
      for index in results.rows.indices { results.rows[index].units.removeLast() }
    }
    for condition in ["worse", "high>9"] {
      let found = try failures(condition, few)
      #expect(found.count == 1 && found[0].hasPrefix("cannot be judged for "), "\(found)")
    }
    #expect(try failures("difference>9", few).isEmpty)
    #expect(
      try failures("score<0", few) == ["cannot be judged: nothing that it looks at was compared"])
  }

  @Test(
    "A condition that is none is refused with what is allowed",
    arguments: [
      ("wrose", "did you mean \"worse\"?"), ("diference>1", "did you mean \"difference\"?"),
      ("difference>x", "no number"), ("difference>nan", "no number"), ("difference>", "no number"),
      ("difference=1", "Allowed are worse"), ("a>b>c", "Allowed are"), ("", "Allowed are"),
      ("difference>inf", "no number"), ("bytes", "\"bytes\" lacks the number"),
      ("worse>0", "it stands alone. Allowed are worse"),
    ])
  func refused(text: String, words: String) {
    let error = #expect(throws: ReportError.self) { try PairCondition(parsing: text) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    #expect(error?.description.hasSuffix("?.") == false)
  }

  @Test("Tables are at most 80 columns wide where labels are short")
  func narrow() throws {
    let report = try Report(
      comparing: "streaming-llm", with: "tca threshold=0.9", in: [ExampleResults.experiment()])
    let text = TerminalRenderer(columns: 80, showsIntervals: true).files(of: report)[0].text
    for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
    #expect(text.contains("[-0.0480, -0.0245]"))
    // The verdict stands before the tables.
    let verdict = try #require(text.range(of: "Verdict"))
    #expect(verdict.lowerBound < text.range(of: "example: quality")?.lowerBound ?? text.startIndex)
  }
}
