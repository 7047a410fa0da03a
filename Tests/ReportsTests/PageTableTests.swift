import Records
import Testing

@testable import Reports

@Suite("Tables of the page")
struct PageTableTests {
  private let strategies = [
    ReportStrategy(label: "full", role: .reference), .init(label: "a & b", role: .method),
    .init(label: "c", role: .control), .init(label: "oracle", role: .oracle),
  ]

  private struct Row {
    var model = "m"
    var strategy: String
    var error: Interval?
    var score: Interval?
    var marks: [Mark] = []
  }

  private func table(_ rows: [Row]) -> ReportTable {
    func mean(_ interval: Interval?) -> Double? { interval.map { ($0.low + $0.high) / 2 } }
    return ReportTable(
      rows,
      [
        .words("model") { .text($0.model) }, .init("context") { _ in .count(2048) },
        .words("strategy") { .text($0.strategy, marks: $0.marks) },
        .init("er\nror", unit: "nats", .lower) { .number(mean($0.error), .signed(2), $0.error) },
        .init("score", .higher) { .number(mean($0.score), .fixed(2), $0.score) },
        .words("than") { _ in "full" },
      ])
  }

  /// The strategies whose error, and whose score, is bold.
  private func bold(_ rows: [Row]) -> [[String]] {
    let table = table(rows)
    let best = SignificantBest(
      table, strategies: Set(strategies.map(\.label)), leavingOut: ["oracle"])
    return ["er\nror", "score"].map { name in
      guard let column = table.columns.firstIndex(where: { $0.name == name }) else { return [] }
      return rows.indices.filter { best.contains(row: $0, column: column) }.map {
        rows[$0].strategy
      }
    }
  }

  @Test("A table has units, directions, what is common above, strategies by name, the best in bold")
  func text() {
    let rows = [
      Row(strategy: "full"),
      Row(strategy: "a & b", error: .init(low: 0.5, high: 0.7), marks: [.looksAhead]),
      Row(strategy: "c", error: .init(low: -0.1, high: 0.3)),
    ]
    let expected = """
      <table class="data w1 w3">
      <caption>model <b>m</b> · context <b>2,048</b></caption>
      <thead><tr><th scope="col" class="who">strategy<th scope="col">er ror <small>nats</small>&nbsp;<abbr title="lower is better">↓</abbr><th scope="col">than</thead>
      <tbody>
      <tr><td data-strategy>full<td>–<td data-strategy>full
      <tr><td data-strategy>a &amp; b<sup>†</sup><td>+0.60 <i>[+0.50, +0.70]</i><td data-strategy>full
      <tr><td data-strategy>c<td><b>+0.10</b> <i>[-0.10, +0.30]</i><td data-strategy>full
      </tbody></table>
      """
    #expect(HTMLTableWriter(strategies: strategies).text(of: table(rows)) == expected)
  }

  @Test("Left of the strategy, what stands above is not said again; what is empty is no repetition")
  func repetition() {
    let rows = ["m", "m", "", ""].map { Row(model: $0, strategy: "c") } + [Row(strategy: "full")]
    let lines = HTMLTableWriter(strategies: strategies).text(of: table(rows)).split(separator: "\n")
    #expect(
      lines.filter { $0.hasPrefix("<tr>") }.map { String($0.prefix(26)) } == [
        "<tr><td>m<td data-strategy", "<tr><td><td data-strategy>", "<tr><td><wbr><td data-stra",
        "<tr><td><td data-strategy>", "<tr><td>m<td data-strategy",
      ])
  }

  @Test("Best is whose interval reaches no other's, in the column's direction")
  func best() {
    let low = Interval(low: 0.1, high: 0.2)
    let high = Interval(low: 0.3, high: 0.4)
    #expect(
      bold([
        Row(strategy: "a & b", error: low, score: low),
        Row(strategy: "c", error: high, score: high),
      ])
        == [["a & b"], ["c"]])
    let touching = Interval(low: 0.2, high: 0.5)
    #expect(
      bold([Row(strategy: "a & b", error: low), Row(strategy: "c", error: touching)])[0] == [])
  }

  @Test("Nobody is best alone, without an interval, or in another place")
  func alone() {
    let low = Interval(low: 0.1, high: 0.2)
    let high = Interval(low: 0.3, high: 0.4)
    #expect(bold([Row(strategy: "full"), Row(strategy: "c", error: low)])[0] == [])
    #expect(
      bold([Row(strategy: "c", error: low), Row(model: "n", strategy: "a & b", error: high)])[0]
        == [])
  }

  @Test("Oracles, tasks at chance and unsteady times are in no contest")
  func outsiders() {
    let (low, middle, high) = (
      Interval(low: 0.1, high: 0.2), Interval(low: 0.3, high: 0.4), Interval(low: 0.5, high: 0.6)
    )
    let rows = [Row(strategy: "a & b", error: middle), Row(strategy: "c", error: high)]
    #expect(bold(rows + [Row(strategy: "oracle", error: low)])[0] == ["a & b"])
    #expect(bold(rows + [Row(strategy: "d", error: low, marks: [.readsFuture])])[0] == ["a & b"])
    #expect(bold([rows[0], Row(strategy: "c", error: high, marks: [.atChance])])[0] == [])
  }

  @Test("In a column of differences each has the direction of its figure")
  func differences() throws {
    func difference(_ figure: PairedDifference.Figure, _ shift: Double) throws -> ReportCell {
      let clusters = (0..<12).map {
        PairedCluster(first: 1, second: 1 + shift + Double($0 % 3) / 100, unitCount: 1)
      }
      return .difference(
        try #require(PairedDifference(figure, clusters, kind: figure == .score ? .prompt : .window))
      )
    }
    #expect(try difference(.score, 0.5).polarity == .higher)
    let cells = try [0.1, 0.5].map { try difference(.negativeLogLikelihood, $0) }
    let table = ReportTable(cells, [.words("task") { _ in "t" }, .init("to full") { $0 }])
    let best = SignificantBest(table, strategies: [], leavingOut: [])
    #expect(best.contains(row: 0, column: 1) && !best.contains(row: 1, column: 1))
  }
}
