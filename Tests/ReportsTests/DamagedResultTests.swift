import JSON
import Records
import Testing

@testable import Reports

/// What a damaged or tampered database can give: figures that are none, cells without units, plans without full.
@Suite("Damaged results")
struct DamagedResultTests {
  private typealias Example = LeaderboardExample

  enum Damage: CaseIterable {
    case infinite, notANumber, negative, noUnits, noTokens, noFull, noFigures, oneRow
  }

  private func results(_ damage: Damage) -> ExperimentResults {
    var results = Example.quality()
    func set(_ value: Double) {
      for index in results.rows.indices where index % 2 == 1 {
        for column in results.rows[index].figures.keys {
          results.rows[index].figures[column] = value
        }
        for unit in results.rows[index].units.indices where unit % 2 == 0 {
          results.rows[index].units[unit].negativeLogLikelihood = value
        }
      }
    }
    switch damage {
    case .infinite: set(.infinity)
    case .notANumber: set(.nan)
    case .negative: set(-1e300)
    case .noUnits: for index in results.rows.indices { results.rows[index].units = [] }
    case .noTokens:
      for index in results.rows.indices { results.rows[index].units[0].tokens = 0 }
    case .noFull: results.rows.removeAll { $0.isFull }
    case .noFigures: for index in results.rows.indices { results.rows[index].figures = [:] }
    case .oneRow: results.rows.removeLast(results.rows.count - 1)
    }
    return results
  }

  @Test(
    "Every format, the export and the leaderboard are made all the same", arguments: Damage.allCases
  )
  func pages(damage: Damage) throws {
    let results = results(damage)
    let report = Report(of: results)
    for format in ReportFormats.all {
      #expect(!format.name.isEmpty && format.files(of: report).allSatisfy { !$0.name.isEmpty })
    }
    for file in ExperimentExport(report).files
    where !file.name.hasSuffix(".csv") && !file.name.hasSuffix(".md") {
      _ = try JSONValue(parsing: file.text)
    }
    let leaderboard = Leaderboard([results], strategies: [])
    #expect(leaderboard.report.sections.last?.items.isEmpty == false)
    for table in leaderboard.tables {
      for standing in table.standings {
        if let ranks = standing.ranks { #expect(ranks.upperBound <= table.standings.count) }
      }
    }
  }

  @Test("A comparison says no more than there is", arguments: Damage.allCases)
  func verdicts(damage: Damage) throws {
    let comparison: PairComparison
    do {
      comparison = try PairComparison(
        of: Example.methods[4].label, with: Example.methods[5].label, in: [results(damage)])
    } catch {
      // Nothing to compare is said.
      #expect(!error.description.isEmpty)
      return
    }
    for item in comparison.report.sections[0].items {
      #expect(item.contains("loses") || item.contains("lose") || item.contains("chance"), "\(item)")
    }
    // What is no number never passes a gate.
    if damage == .notANumber || damage == .infinite {
      #expect(!comparison.failures(of: try PairCondition(parsing: "worse")).isEmpty)
    }
  }
}
