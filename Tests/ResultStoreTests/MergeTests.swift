import Foundation
import GRDB
import Records
import Synchronization
import Testing

@testable import ResultStore

@Suite("Merging databases")
struct MergeTests {
  let folder = TemporaryFolder()
  typealias Example = ExampleExperiment

  /// One machine's share of the example, with its own clock.
  struct Machine {
    var name: String
    var build = "abc123"
    var blas = "OpenBLAS 0.3.21 Haswell"
    var question = "How much can be dropped?"
    var cells: Range<Int> = 0..<24
    var shift = 0.0
    var groups: [(context: Int, task: Int)] = []
    /// Seconds after the epoch at which it starts.
    var start = 1_000.0
    var isOpen = false
    var fails = false
  }

  /// Adds a run to the file of that name.
  @discardableResult
  private func run(_ machine: Machine, into file: String) throws -> String {
    let clock = Clock(machine.start)
    let store = try ResultStore(
      path: folder.file(file), access: .writing, now: { clock.next() })
    var provenance = Example.provenance
    provenance.cpu = machine.name
    provenance.blas = machine.blas
    provenance.sourceState = machine.build
    var record = Example.record
    record.question = machine.question
    let run = try store.beginRun(of: record, cells: Example.cells, provenance: provenance)
    for cell in Example.cells[machine.cells] {
      try store.store(Example.results(cell, shift: machine.shift), run: run)
    }
    for (context, task) in machine.groups {
      try store.store(
        Example.timingGroup(context: context, task: task, drift: machine.start / 1e5), run: run)
    }
    if machine.fails {
      try store.storeFailure(
        of: Example.cells[23].cell.identity, kinds: [.quality], reason: "no memory", run: run)
    }
    try store.store(
      CalibrationRecord(
        identity: "calibration", strategy: "tca", model: "smollm2", modelDigest: "b179",
        corpus: "emma", corpusDigest: "d", tokens: 256, options: [:],
        evidence: ["machine": .string(machine.blas)]))
    if !machine.isOpen { try store.endRun(run, as: .finished) }
    try store.close()
    return folder.file(file)
  }

  private func merge(_ sources: [String], into target: String) throws -> [MergeSummary] {
    let store = try ResultStore(path: folder.file(target), access: .writing)
    defer { try? store.close() }
    return try sources.map { try store.merge($0) }
  }

  private func problem(_ sources: [String], into target: String) throws -> StoreError {
    try #require(throws: StoreError.self) { _ = try merge(sources, into: target) }
  }

  /// Four machines: two of one build, one of other kernels whose last bits differ, and a file with two runs.
  private func fourDatabases() throws -> [String] {
    let paths = try [
      run(
        Machine(name: "a", cells: 0..<10, groups: [(512, 0), (512, 1)], start: 1_000),
        into: "a.sqlite"),
      run(
        Machine(
          name: "b", question: "How much, really?", cells: 8..<20, groups: [(512, 0), (1024, 2)],
          start: 5_000, fails: true), into: "b.sqlite"),
      run(
        Machine(
          name: "c", blas: "OpenBLAS 0.3.21 SkylakeX", cells: 0..<24, shift: 0.25,
          groups: [(512, 2)], start: 3_000), into: "c.sqlite"),
      run(Machine(name: "d", cells: 20..<24, start: 2_000, isOpen: true), into: "d.sqlite"),
    ]
    try run(
      Machine(
        name: "d", build: "def456", cells: 0..<4, shift: 0.5, groups: [(1024, 2)], start: 7_000),
      into: "d.sqlite")
    return paths
  }

  @Test("Every table of results is merged")
  func tables() throws {
    let store = try ResultStore(path: folder.file(), access: .writing)
    let tables = try store.read { database in
      try String.fetchAll(
        database,
        sql: """
          SELECT name FROM sqlite_master
          WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'grdb%'
          """)
    }
    #expect(Set(tables).subtracting(["claim"]) == Set(Merge.tables.map(\.name)))
    #expect(Merge.tables.count == 16)
  }

  @Test("In any order the content is the same, merged twice and into itself too")
  func anyOrder() throws {
    let sources = try fourDatabases()
    let before = try sources.map { try content(of: $0) }
    var expected: [String]?
    var figures: [ComparisonRow]?
    for (number, order) in permutations(sources).enumerated() {
      let target = "merged-\(number).sqlite"
      let summaries = try merge(order, into: target)
      #expect(summaries.allSatisfy { $0.runs > 0 && $0.cells > 0 })
      let found = try content(of: folder.file(target))
      #expect(found == expected ?? found, "\(order)")
      expected = found
      // Again, each of them, in another order, and itself.
      let again = try merge(order.reversed() + [folder.file(target)], into: target)
      #expect(again.allSatisfy { $0.runs == 0 && $0.cells == 0 })
      #expect(again.map(\.isTargetItself) == [false, false, false, false, true])
      #expect(try content(of: folder.file(target)) == found)
      let rows = try ResultStore(path: folder.file(target), access: .reading)
        .results(of: "example").rows.map { row in
          var row = row
          row.kinds = row.kinds.mapValues { _ in 0 }
          row.failure?.run = 0
          return row
        }
      #expect(rows == figures ?? rows)
      figures = rows
    }
    #expect(try sources.map { try content(of: $0) } == before)
    // A merged file is a source like any other: all of it, and one that has a part already.
    _ = try merge([folder.file("merged-0.sqlite")], into: "copy.sqlite")
    _ = try merge([sources[2], folder.file("merged-0.sqlite")], into: "half.sqlite")
    #expect(try content(of: folder.file("copy.sqlite")) == expected)
    #expect(try content(of: folder.file("half.sqlite")) == expected)
  }

  @Test("A merged database shows what one database with all the runs in it shows")
  func asOne() throws {
    let parts = try (0..<3).map { number in
      try run(
        Machine(
          name: "m\(number)", cells: number * 8..<number * 8 + 8,
          groups: [(512, number), (1024, number)], start: Double(1_000 * (number + 1))),
        into: "part-\(number).sqlite")
    }
    _ = try merge(parts, into: "merged.sqlite")
    try run(
      Machine(name: "m0", groups: (0..<3).flatMap { [(512, $0), (1024, $0)] }, start: 1_000),
      into: "one.sqlite")
    func shown(_ file: String) throws -> [ComparisonRow] {
      try ResultStore(path: folder.file(file), access: .reading).results(of: "example").rows.map {
        var row = $0
        row.kinds = row.kinds.mapValues { _ in 0 }
        row.figures = row.figures.filter { column, _ in
          !TimeFigure.allCases.contains { $0.column == column || $0.ratioColumn == column }
        }
        return row
      }
    }
    #expect(try shown("merged.sqlite") == shown("one.sqlite"))
    let results = try ResultStore(path: folder.file("merged.sqlite"), access: .reading)
      .results(of: "example")
    #expect(results.rows.count == 24 && results.rows.allSatisfy { $0.kinds.count == 4 })
    // Whose times are whose: each group has one run, each run its machine.
    let machines = Dictionary(
      uniqueKeysWithValues: results.runs.map { ($0.id, $0.provenance.cpu) })
    #expect(
      results.timingGroups.map { machines[$0.run] ?? "" } == ["m0", "m0", "m1", "m1", "m2", "m2"])
  }

  @Test("A run that was merged while it was at work goes on where the target has it")
  func runAtWork() throws {
    let path = folder.file("work.sqlite")
    let clock = Clock(1_000)
    let store = try ResultStore(path: path, access: .writing, now: { clock.next() })
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    for (number, cell) in Example.cells.enumerated() {
      try store.store(Example.results(cell), run: run)
      if number % 5 == 0 {
        try store.store(Example.timingGroup(context: 512, task: 0, drift: Double(number)), run: run)
      }
      if number % 7 == 0 { _ = try merge([path], into: "target.sqlite") }
    }
    try store.endRun(run, as: .finished)
    let last = try merge([path], into: "target.sqlite")
    #expect(last == [MergeSummary(runs: 0, cells: 2)])
    #expect(try content(of: folder.file("target.sqlite")) == content(of: path))
  }

  @Test("Parts that were cut out of one database give it back, in any order")
  func parts() throws {
    let whole = try run(
      Machine(name: "a", groups: [(512, 0), (512, 1), (1024, 0)], fails: true), into: "whole.sqlite"
    )
    // Each lacks whole groups, other cells, some heads, some plans: as `scripts/results-database` cuts them.
    let parts = try [(0, 512), (1, 1024)].map { number, context in
      let path = folder.file("part-\(number).sqlite")
      try FileManager.default.copyItem(atPath: whole, toPath: path)
      var configuration = Configuration()
      configuration.foreignKeysEnabled = false
      try DatabaseQueue(path: path, configuration: configuration).write { database in
        try database.execute(
          sql: """
            CREATE TEMP TABLE gone AS SELECT id FROM cell WHERE context_length = \(context);
            DELETE FROM unit WHERE sample_id IN (
              SELECT id FROM sample WHERE cell_id IN (SELECT id FROM gone));
            """)
        for table in [
          "sample", "measurement", "head_measurement", "kept_tokens", "cell_kind", "timing",
          "control_timing",
          "failure", "plan_cell",
        ] {
          try database.execute(
            sql: "DELETE FROM \(table) WHERE cell_id IN (SELECT id FROM gone)")
        }
        try database.execute(
          sql: """
            DELETE FROM timing_group WHERE id NOT IN (SELECT timing_group_id FROM timing);
            DELETE FROM cell WHERE id IN (SELECT id FROM gone);
            \(number == 0 ? "DELETE FROM head_measurement;" : "")
            UPDATE run SET plan_id = NULL; DELETE FROM plan_cell; DELETE FROM plan;
            """)
      }
      return path
    }
    let expected = try content(of: whole)
    for (number, order) in permutations(parts + [whole]).enumerated() {
      _ = try merge(order, into: "merged-\(number).sqlite")
      let found = try content(of: folder.file("merged-\(number).sqlite"))
      let difference = Set(found).symmetricDifference(expected)
      #expect(difference.isEmpty, "\(order): \(difference.count), \(difference.sorted().prefix(4))")
    }
  }

  @Test(
    "Two contents of one cell from one build and the same kernels are refused by name",
    arguments: [
      ("UPDATE unit SET negative_log_likelihood = 1 WHERE rowid_of", "quality"),
      (
        "UPDATE measurement SET value = value + 1e-9 WHERE name = 'perplexity' AND id_of", "quality"
      ),
      ("UPDATE head_measurement SET output_cosine = 0 WHERE head_of", "approximation"),
      (
        "UPDATE measurement SET value = value + 1 WHERE name = 'kvCacheLogicalBytes' AND id_of",
        "memory"
      ),
    ])
  func conflict(change: String, kind: String) throws {
    let first = try run(Machine(name: "a", start: 1_000), into: "a.sqlite")
    let second = try run(Machine(name: "b", start: 2_000), into: "b.sqlite")
    let cell = Example.cells[5].cell.identity
    let id = "(SELECT id FROM cell WHERE identity = '\(cell)')"
    let sql =
      change.replacing(
        "rowid_of",
        with: "number = 1 AND sample_id IN (SELECT id FROM sample WHERE cell_id = \(id))"
      )
      .replacing("id_of", with: "cell_id = \(id)")
      .replacing("head_of", with: "cell_id = \(id) AND layer = 1 AND query_head = 2")
    try DatabaseQueue(path: second).write {
      try $0.execute(sql: sql)
      #expect($0.changesCount > 0)
    }
    _ = try merge([first], into: "target.sqlite")
    let before = try content(of: folder.file("target.sqlite"))
    let error = try problem([second], into: "target.sqlite")
    #expect(error.problem == .conflict && error.file == second)
    #expect(error.detail.contains("\(kind) of cell \(cell.prefix(12))"), "\(error)")
    #expect(error.detail.contains("target.sqlite\""), "\(error)")
    #expect(try content(of: folder.file("target.sqlite")) == before)
    // And the other way round.
    _ = try merge([second], into: "other.sqlite")
    #expect(try problem([first], into: "other.sqlite").problem == .conflict)
  }

  @Test("Of another build or other kernels both contents stay, and the newest is shown")
  func differences() throws {
    let sources = try [
      run(Machine(name: "a", start: 1_000), into: "a.sqlite"),
      run(Machine(name: "b", build: "def456", shift: 1, start: 3_000), into: "b.sqlite"),
      run(Machine(name: "c", blas: "OpenBLAS Zen", shift: 2, start: 2_000), into: "c.sqlite"),
    ]
    _ = try merge(sources, into: "target.sqlite")
    let store = try ResultStore(path: folder.file("target.sqlite"), access: .reading)
    let shown = try store.results(of: "example")
    #expect(shown.rows[0][.perplexity] == 15)
    #expect(shown.runs.map(\.provenance.cpu) == ["a", "c", "b"])
    let alone = try shown.runs.map { try store.results(ofRun: $0.id).rows[0][.perplexity] }
    #expect(alone == [14, 16, 15])
  }

  @Test("Times and resident bytes that differ are no conflict")
  func times() throws {
    let first = try run(
      Machine(name: "a", groups: [(512, 0)], start: 1_000), into: "a.sqlite")
    let second = try run(
      Machine(name: "b", groups: [(512, 0)], start: 2_000), into: "b.sqlite")
    try DatabaseQueue(path: second).write {
      try $0.execute(
        sql: "UPDATE measurement SET value = value + 4096 WHERE name LIKE '%ResidentBytes'")
    }
    let summaries = try merge([first, second], into: "target.sqlite")
    #expect(summaries == [MergeSummary(runs: 1, cells: 24), MergeSummary(runs: 1, cells: 24)])
  }

  // MARK: Sources

  @Test("An older source is brought up to date in a copy; it stays as it was")
  func older() throws {
    let golden = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Golden/databases/623a3e6.sqlite")
    let source = folder.file("old.sqlite")
    let bytes = try Data(contentsOf: golden)
    try bytes.write(to: URL(fileURLWithPath: source))
    _ = try merge([source], into: "target.sqlite")
    #expect(try Data(contentsOf: URL(fileURLWithPath: source)) == bytes)
    try ResultStore(path: source, access: .writing).close()
    #expect(try merge([source], into: "target.sqlite") == [MergeSummary()])
    #expect(try content(of: folder.file("target.sqlite")) == content(of: source))
  }

  @Test(
    "A source that is none is refused, and the target stays as it was",
    arguments: ["missing", "text", "foreign", "newer", "cut", "dangling", "empty"])
  func badSources(kind: String) throws {
    let good = try run(Machine(name: "a", cells: 0..<3), into: "good.sqlite")
    _ = try merge([good], into: "target.sqlite")
    let before = try content(of: folder.file("target.sqlite"))
    let source = try run(Machine(name: "b", cells: 3..<24, start: 2_000), into: "bad.sqlite")
    let url = URL(fileURLWithPath: source)
    let expected: StoreError.Problem
    switch kind {
    case "missing":
      try FileManager.default.removeItem(at: url)
      expected = .missing
    case "empty":
      try Data().write(to: url)
      expected = .missing
    case "text":
      try Data("not a database, though as long as one would like it to be\n".utf8).write(to: url)
      expected = .notADatabase
    case "foreign":
      try DatabaseQueue(path: source).write { try $0.execute(sql: "PRAGMA application_id = 7") }
      expected = .foreign
    case "newer":
      try DatabaseQueue(path: source).write {
        try $0.execute(sql: "INSERT INTO grdb_migrations VALUES ('99 from the future')")
      }
      expected = .newerSchema
    case "cut":
      let bytes = try Data(contentsOf: url)
      try bytes.prefix(bytes.count * 2 / 3).write(to: url)
      expected = .damaged
    default:
      var configuration = Configuration()
      configuration.foreignKeysEnabled = false
      try DatabaseQueue(path: source, configuration: configuration).write {
        try $0.execute(sql: "DELETE FROM cell WHERE id = 5")
      }
      expected = .damaged
    }
    let bytes = try? Data(contentsOf: url)
    let error = try problem([source], into: "target.sqlite")
    #expect(error.problem == expected && error.file == source, "\(error)")
    #expect(try content(of: folder.file("target.sqlite")) == before)
    #expect((try? Data(contentsOf: url)) == bytes)
  }

  @Test("Names with quotes, spaces, question marks and percent signs are names")
  func names() throws {
    let name = "it's \"a\" #1 100%20? ok.sqlite"
    let source = try run(Machine(name: "a"), into: name)
    _ = try merge([source], into: "target ?'.sqlite")
    #expect(try content(of: folder.file("target ?'.sqlite")) == content(of: source))
  }

  @Test("Killed at any of its steps, a merge leaves the target as it was", arguments: 1...15)
  func killed(step: Int) async throws {
    let good = try run(Machine(name: "a", cells: 0..<3), into: "good.sqlite")
    let source = try run(
      Machine(name: "b", cells: 3..<24, groups: [(512, 0)], start: 2_000, fails: true),
      into: "b.sqlite")
    let target = folder.file("target.sqlite")
    _ = try merge([good], into: "target.sqlite")
    let before = try content(of: target)
    await #expect(processExitsWith: .signal(SIGKILL)) {
      [source = source as String, target = target as String, step = step as Int] in
      let store = try ResultStore(path: target, access: .writing)
      // The trace of statements is the clock: so many inserts into the file's own tables, then the end.
      var inserts = 0
      store.queue.writeWithoutTransaction { database in
        database.trace { event in
          guard "\(event)".contains("INTO main.") else { return }
          inserts += 1
          if inserts == step { kill(getpid(), SIGKILL) }
        }
      }
      _ = try store.merge(source)
      exit(0)
    }
    #expect(try content(of: target) == before)
    _ = try merge([source], into: "target.sqlite")
    _ = try merge([source, good], into: "undisturbed.sqlite")
    #expect(try content(of: target) == content(of: folder.file("undisturbed.sqlite")))
  }

  private func permutations<Element>(_ elements: [Element]) -> [[Element]] {
    guard let last = elements.last else { return [[]] }
    return permutations(elements.dropLast()).flatMap { shorter in
      (0...shorter.count).map { place in
        var longer = shorter
        longer.insert(last, at: place)
        return longer
      }
    }
  }
}

/// Moments, each later than the last by more than is rounded off.
private final class Clock: Sendable {
  private let time: Mutex<Double>

  init(_ start: Double) { time = Mutex(start) }

  func next() -> Date {
    time.withLock { time in
      time += 0.01
      return Date(timeIntervalSince1970: time)
    }
  }
}
