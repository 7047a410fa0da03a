import Foundation
import GRDB
import Testing

@testable import ResultStore

/// `docs/database.md` against the schema, and its queries through the program that users have.
@Suite("docs/database.md")
struct DatabaseDocumentationTests {
  let folder = TemporaryFolder()
  typealias Example = ExampleExperiment

  private static let text: String = {
    let file = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("docs/database.md")
    return (try? String(contentsOf: file, encoding: .utf8)) ?? ""
  }()

  static let queries: [String] = text.components(separatedBy: "```sql\n").dropFirst().compactMap {
    $0.components(separatedBy: "```").first
  }

  /// The part under a heading of the third level, up to the next heading.
  private func section(_ name: String) -> String? {
    let parts = Self.text.components(separatedBy: "\n### \(name)\n")
    guard parts.count == 2 else { return nil }
    return parts[1].components(separatedBy: "\n## ")[0].components(separatedBy: "\n### ")[0]
  }

  private func fill() throws {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    for cell in Example.cells { try store.store(Example.results(cell), run: run) }
    for context in [512, 1024] {
      for task in Example.tasks.indices {
        try store.store(Example.timingGroup(context: context, task: task), run: run)
      }
    }
    try store.endRun(run, as: .finished)
  }

  @Test("Every table and view has its section, and every column its mention there")
  func complete() throws {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let objects = try store.read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT name FROM sqlite_master
          WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' AND name <> 'grdb_migrations'
          """
      ).map { ($0, try database.columns(in: $0).map(\.name)) }
    }
    #expect(objects.count > 18)
    for (name, columns) in objects {
      let text = try #require(section(name), "\(name) has no section")
      for column in columns {
        #expect(text.contains("`\(column)`"), "\(name).\(column)")
      }
    }
  }

  @Test("Every table is strict, and every reference is enforced")
  func strict() throws {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let loose = try store.read {
      try String.fetchAll(
        $0,
        sql: """
          SELECT name FROM pragma_table_list
          WHERE type = 'table' AND schema = 'main' AND strict = 0
            AND name NOT LIKE 'sqlite_%' AND name <> 'grdb_migrations'
          """)
    }
    #expect(loose.isEmpty)
    #expect(throws: StoreError.self) {
      try store.write {
        try $0.execute(
          sql: "INSERT INTO cell_kind (cell_id, kind, run_id) VALUES (1, 'latency', 1)")
      }
    }
  }

  @Test("There are ten queries")
  func ten() { #expect(Self.queries.count == 10) }

  /// What the program says to one of them, as CSV.
  private func answer(_ index: Int) throws -> String {
    try fill()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", "-bail", "-csv", folder.file(), Self.queries[index]]
    let output = Pipe()
    let errors = Pipe()
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let rows = String(
      decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(
      decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "needs the sqlite3 program: \(complaint)")
    #expect(complaint.isEmpty)
    return rows
  }

  @Test("Each query answers in the sqlite3 program", arguments: queries.indices)
  func answers(index: Int) throws {
    let rows = try answer(index)
    #expect(rows.split(separator: "\n").count >= 1)
    // Every column of every query holds something in some row.
    let fields = rows.split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false)
    }
    for column in fields.first?.indices ?? 0..<0 {
      #expect(
        fields.contains { $0.indices.contains(column) && !$0[column].isEmpty },
        "query \(index + 1), column \(column + 1) is empty")
    }
  }

  @Test("Every query tells its rows apart", arguments: queries.indices)
  func keys(index: Int) throws {
    let rows = try answer(index).split(separator: "\n")
    #expect(Set(rows).count == rows.count, "query \(index + 1)")
  }

  @Test("How errors build up is told for each length, task and protocol by itself")
  func groups() throws {
    // Two lengths, three tasks, four strategies, two layers.
    #expect(try answer(4).split(separator: "\n").count == 48)
  }
}
