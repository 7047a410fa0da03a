import Foundation
import GRDB
import Records
import Testing

@testable import ResultStore

/// `Tests/Golden/databases/623a3e6.sqlite`, which the program of commit 623a3e6 made of a tiny random model,
/// against the tables that the same program printed of it.
@Suite("A database of an older version")
struct OldDatabaseTests {
  let folder = TemporaryFolder()

  private static let golden = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    .deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden/databases")

  private func copy() throws {
    try FileManager.default.copyItem(
      at: Self.golden.appendingPathComponent("623a3e6.sqlite"),
      to: URL(fileURLWithPath: folder.file()))
  }

  /// Fields of a row by column; none of them holds a line break.
  private func printed(_ experiment: String) throws -> [[String: String]] {
    let text = try String(
      contentsOf: Self.golden.appendingPathComponent("623a3e6-\(experiment).csv"),
      encoding: .utf8)
    let lines = text.split(whereSeparator: \.isNewline).map { line in
      var fields = [""]
      var isQuoted = false
      for character in line {
        switch character {
        case "\"": isQuoted.toggle()
        case "," where !isQuoted: fields.append("")
        default: fields[fields.count - 1].append(character)
        }
      }
      return fields
    }
    let header = try #require(lines.first)
    return lines.dropFirst().map {
      Dictionary(zip(header, $0), uniquingKeysWith: { first, _ in first })
    }
  }

  @Test("A merge takes it over from a copy, of which nothing stays")
  func mergedFromACopy() throws {
    try copy()
    let scratch = TemporaryFolder()
    let store = try ResultStore(path: folder.file("all.sqlite"), access: .writing)
    #expect(try store.merge(folder.file(), scratch: URL(fileURLWithPath: scratch.path)).cells > 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == [])
  }

  @Test(
    "It shows the same figures, read as it is and brought up to date",
    arguments: ["legacy", "legacy-failure"], [false, true])
  func figures(experiment: String, isMigrated: Bool) throws {
    try copy()
    let before = try Data(contentsOf: URL(fileURLWithPath: folder.file()))
    if isMigrated { try ResultStore(path: folder.file(), access: .writing).close() }
    let store = try ResultStore(path: folder.file(), access: .reading)
    let rows = try store.results(of: experiment).rows
    let expected = try printed(experiment)
    #expect(rows.count == expected.count)
    for (row, expected) in zip(rows, expected) {
      #expect(row.planned.label == expected["strategy"])
      #expect(row.failure?.reason ?? "" == expected["failure"])
      #expect(row.planned.cell.cache == "f32")
      for column in ComparisonColumn.allCases {
        // Columns that it did not have say something now: what they are made of was there.
        guard let printed = expected[column.rawValue] else { continue }
        #expect(
          row[column] == Double(printed), "\(row.planned.label), \(column.rawValue): \(printed)")
      }
    }
    if !isMigrated {
      #expect(try Data(contentsOf: URL(fileURLWithPath: folder.file())) == before)
    }
  }

  @Test("Its strategies get their roles, its runs identities that do not depend on who migrates it")
  func facts() throws {
    try copy()
    let store = try ResultStore(path: folder.file(), access: .reading)
    let cells = try store.results(of: "legacy").rows.map(\.planned.cell)
    let roles = Dictionary(cells.map { ($0.strategy, $0.strategyRole) }) { first, _ in first }
    #expect(
      roles == [
        "full": .reference, "tca": .method, "streaming-llm": .method, "random": .control,
        "oracle-top-k": .oracle, "composed": .oracle,
      ])
    #expect(Set(cells.filter(\.readsFuture).map(\.strategy)) == ["composed"])
    let runs = try store.storedRuns()
    #expect(runs.map(\.id) == [1, 2, 3])
    #expect(Set(runs.map(\.identity)).count == 3 && Set(runs.map(\.machine)).count == 1)
    let other = TemporaryFolder()
    try FileManager.default.copyItem(atPath: folder.file(), toPath: other.file())
    #expect(
      try ResultStore(path: other.file(), access: .writing).storedRuns().map(\.identity)
        == runs.map(\.identity))
  }

  @Test("A run of an experiment that it holds finds its cells done and its plan known")
  func resumed() throws {
    try copy()
    let store = try ResultStore(path: folder.file(), access: .writing)
    let results = try store.results(of: "legacy")
    let cells = results.rows.map(\.planned)
    #expect(try store.storedKinds(of: cells.map(\.cell.identity)).count == cells.count)
    _ = try store.beginRun(
      of: results.experiment, cells: cells, provenance: results.runs[0].provenance)
    #expect(try store.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM plan") } == 2)
    #expect(try store.results(of: "legacy").rows == results.rows)
  }
}
