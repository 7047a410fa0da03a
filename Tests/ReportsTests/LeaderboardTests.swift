import Records
import Testing

@testable import Reports

@Suite("The leaderboard")
struct LeaderboardTests {
  private typealias Example = LeaderboardExample

  private func leaderboard(_ results: [ExperimentResults]) -> Leaderboard {
    Leaderboard(results, strategies: Example.described)
  }

  private func standings(_ methods: [Example.Method]) throws -> [Standing] {
    try #require(leaderboard([Example.quality(methods)]).tables.first).standings
  }

  @Test("A strategy stands in the smallest class that holds its bytes, whatever its budget was")
  func classes() throws {
    var odd = Example.budgeted("tova", 0.25, loss: 0.1)
    odd.share = 0.2526
    var matched = Example.budgeted("snapkv", 0.25, loss: 0.1)
    matched.share = 0.2524
    let standings = try standings([
      Example.full, odd, matched, Example.budgeted("h2o", 0.125, loss: 1),
    ])
    #expect(standings.map(\.classText) == ["above 50 %", "50 %", "25 %", "12.5 %"])
    #expect(standings.map(\.label).last == "h2o meanKvBytes=0.125")
  }

  @Test("Ranks are apart only where the corrected difference is not 0; else they are shared")
  func ranks() throws {
    let standings = try standings(Example.methods)
    let ranks = Dictionary(
      uniqueKeysWithValues: standings.map { ($0.label, $0.ranks.map(Standing.text)) })
    // The quantised cache of fewer bytes stands beside the methods that hold half.
    #expect(ranks["full cache=q4_0"] == "1")
    // Too alike to be told apart.
    #expect(ranks["snapkv meanKvBytes=0.5"] == "2–3")
    #expect(ranks["h2o meanKvBytes=0.5"] == "2–3")
    #expect(ranks["snapkv meanKvBytes=0.25"] == "1")
    #expect(ranks["h2o meanKvBytes=0.25"] == "2")
    #expect(ranks["full cache=f16"] == .some(nil))
    // The least loss of a class stands first, though its rank is shared.
    #expect(standings.map(\.label).prefix(2) == ["full cache=f16", "full cache=q4_0"])
  }

  @Test("A strategy alone in its class has no rank, nor has one where nothing can be tested")
  func noRanks() throws {
    let alone = try standings([Example.full, Example.budgeted("snapkv", 0.25, loss: 0.1)])
    #expect(alone.allSatisfy { $0.ranks == nil })
    var results = Example.quality()
    // Three texts are too few for an interval.
    results.rows.removeAll { $0.planned.cell.identity.hasPrefix("kjv") }
    results.rows.removeAll { $0.planned.cell.identity.hasPrefix("code") }
    let few = try #require(leaderboard([results]).tables.first)
    #expect(few.standings.allSatisfy { $0.ranks == nil && $0.toFull?.interval == nil })
  }

  @Test("Needles and times are those of the same model and parameters, whatever the label")
  func matched() throws {
    let snapkv = Example.methods[4]
    var other = Example.methods[5]
    other.parameters = ["budget": ["meanKvBytes": 0.25], "cache": "f16", "recent": 4]
    let needles = Example.needles([(Example.full, 8), (snapkv, 2), (other, 8)])
    let times = Example.times([(Example.full, 1), (snapkv, 0.4)])
    let asked = Example.needles(
      [(snapkv, 8)], of: Leaderboard.needleNames[1], task: "niah_single_2")
    let leaderboard = leaderboard([Example.quality(), needles, asked, times])
    let table = try #require(leaderboard.tables.first)
    let shown = Dictionary(uniqueKeysWithValues: table.standings.map { ($0.label, $0) })
    #expect(shown[snapkv.label]?.needle.plainText == "0.25 [0.03, 0.65]")
    #expect(shown[snapkv.label]?.ratio(.timePerOutputToken).plainText.hasPrefix("0.40 [") == true)
    #expect(shown[Example.methods[5].label]?.needle == .missing)
    // At another length than the table's, and so the heading says it.
    let headings = table.section([:]).tables[0].columns.map(\.heading)
    #expect(headings.contains("next token ÷ full (at 8,192) ↓") && headings.contains("needle ↑"))
    #expect(
      table.missing.contains {
        $0.hasPrefix(
          "missing at smollm2-135m at 2,048 tokens: needles (at 2,048) of full cache=q4_0")
      })
  }

  @Test("Of several lengths the same one is taken, else the nearest, of two the shorter")
  func lengths() {
    func rows(_ lengths: [Int]) -> MatchedRows {
      MatchedRows(
        lengths.flatMap { ExperimentAnalysis(Example.quality(context: $0)).rows })
    }
    let model = "b179c9523d0e6a0f"
    #expect(rows([512, 2048, 8192]).length(of: model, nearest: 2048) == 2048)
    #expect(rows([512, 8192]).length(of: model, nearest: 2048) == 512)
    #expect(rows([8192]).length(of: model, nearest: 2048) == 8192)
    #expect(rows([8192]).length(of: "another", nearest: 2048) == nil)
  }

  @Test("Every experiment, cell and text that is not there is named")
  func missing() throws {
    var results = Example.quality()
    results.rows.removeAll { $0.planned.cell.identity == "kjv 2048 h2o meanKvBytes=0.25" }
    results.rows[1].kinds = [:]
    let items = try #require(leaderboard([results]).report.sections.last).items
    for words in [
      "the experiment \"leaderboard-8k\"", "the experiment \"ruler\"",
      "1 of 29 cells of \"leaderboard\"",
      "smollm2-135m at 2,048 tokens: results on every text of h2o meanKvBytes=0.25",
      "times of this model at any length",
    ] {
      #expect(items.contains { $0.contains(words) }, "\(words): \(items)")
    }
  }

  @Test("Nothing stored makes a page that says so")
  func empty() {
    let report = leaderboard([]).report
    #expect(report.sections.count == 1 && report.sections[0].items.count == Leaderboard.names.count)
    #expect(report.legend.isEmpty)
  }

  @Test("The legend explains the columns that there are, and no others")
  func legend() {
    let bare = leaderboard([Example.quality()]).report.legend.joined(separator: " ")
    for word in ["Needle:", "÷ full:"] { #expect(!bare.contains(word), "\(bare)") }
    for word in ["A class holds", "Ranks are", "ΔNLL:", "KV cache:", "Fidelity:"] {
      #expect(bare.contains(word), "\(bare)")
    }
    let snapkv = Example.methods[4]
    let whole = leaderboard([
      Example.quality(), Example.needles([(Example.full, 8), (snapkv, 2)]),
      Example.times([(Example.full, 1), (snapkv, 0.4)]),
    ]).report.legend.joined(separator: " ")
    for word in ["Needle:", "÷ full:"] { #expect(whole.contains(word), "\(whole)") }
  }

  @Test("What acts only after the tokens that were scored has no standing, and is named")
  func actsLater() throws {
    var results = Example.quality()
    for index in results.rows.indices { results.rows[index].planned.cell.taskProtocol = "prefill" }
    let leaderboard = leaderboard([results])
    let table = try #require(leaderboard.tables.first)
    #expect(table.standings.map(\.label) == ["full cache=f16", "full cache=q4_0"])
    #expect(
      table.missing.contains {
        $0.hasPrefix("left out at smollm2-135m at 2,048 tokens, since they act only after")
          && $0.hasSuffix(
            ": snapkv meanKvBytes=0.5, h2o meanKvBytes=0.5, snapkv meanKvBytes=0.25, h2o meanKvBytes=0.25"
          )
      }, "\(table.missing)")
  }

  @Test("A budget that was not met is said beside the bytes")
  func notMatched() throws {
    var results = Example.quality()
    for index in results.rows.indices { results.rows[index].matchStatus = .matched }
    for index in results.rows.indices
    where results.rows[index].planned.label == Example.methods[4].label {
      results.rows[index].matchStatus = .infeasible
    }
    let standings = try #require(leaderboard([results]).tables.first).standings
    #expect(standings.map(\.matchNote).filter { !$0.isEmpty } == ["(infeasible)"])
  }

  @Test("A name with markup is text, and breaks no table")
  func hostile() throws {
    var methods = Example.methods
    methods[4].label = "<script>|\n## x \u{202E}"
    let text = MarkdownRenderer().files(of: leaderboard([Example.quality(methods)]).report)[0].text
    #expect(text.contains(#"\<script>\| ## x"#))
    let widths = text.split(separator: "\n").filter { $0.contains("<script>") }
    #expect(!widths.isEmpty && widths.allSatisfy { $0.hasPrefix("| ") || $0.hasPrefix("- ") })
  }
}
