import Foundation
import GRDB
import Records
import Testing

@testable import ResultStore

@Suite("ResultStore")
struct ResultStoreTests {
  let folder = TemporaryFolder()
  typealias Example = ExampleExperiment

  private func openStore() throws -> ResultStore {
    try ResultStore(
      path: folder.file(), access: .writing, now: { Date(timeIntervalSince1970: 1_800_000_000) })
  }

  private func begin(
    _ store: ResultStore, name: String = "example", cells: [PlannedCell] = Example.cells
  ) throws -> Int64 {
    try store.beginRun(
      of: ExperimentRecord(name: name, question: "?", spec: "{}"), cells: cells,
      provenance: Example.provenance)
  }

  @Test("What is stored comes back the same, by another connection that only reads")
  func roundTrip() throws {
    let store = try openStore()
    let run = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    for cell in Example.cells { try store.store(Example.results(cell), run: run) }
    let group = Example.timingGroup(context: 512, task: 1)
    try store.store(group, run: run)
    let calibration = CalibrationRecord(
      identity: "c1", strategy: "tca", model: "smollm2", modelDigest: "b179", corpus: "emma",
      corpusDigest: "e33a", tokens: 2048, options: ["criterion": "meanMass"],
      evidence: ["heads": [1, 2, 3]])
    try store.store(calibration)
    try store.endRun(run, as: .finished)

    let results = try ResultStore(path: folder.file(), access: .reading).results(of: "example")
    #expect(results.experiment == Example.record)
    let stored = try #require(results.runs.first)
    #expect(
      results.runs == [
        StoredRun(
          id: run, identity: stored.identity, machine: stored.machine, experiment: "example",
          startedAt: "2027-01-15T08:00:00.000Z", endedAt: "2027-01-15T08:00:00.000Z",
          ending: .finished, provenance: Example.provenance)
      ])
    #expect(UUID(uuidString: stored.identity) != nil && stored.machine.count == 64)
    #expect(results.rows.map(\.planned) == Example.cells)
    for (row, planned) in zip(results.rows, Example.cells) {
      let stored = Example.results(planned)
      #expect(Set(row.heads) == Set(stored.heads))
      #expect(row.heads.count == stored.heads.count)
      #expect(row.kept == stored.kept)
      #expect(row.units == stored.units)
    }
    #expect(results.timingGroups == [StoredTimingGroup(id: 1, run: run, group: group)])
    #expect(results.calibrations == [calibration])
  }

  @Test("Kinds are marked by what was stored, latency by a timing group")
  func kinds() throws {
    let store = try openStore()
    let run = try begin(store)
    let cell = Example.cells[0]
    #expect(try store.storedKinds(of: [cell.cell.identity]).isEmpty)
    var results = Example.results(cell)
    results.kinds = [.quality]
    try store.store(results, run: run)
    #expect(try store.storedKinds(of: [cell.cell.identity]) == [cell.cell.identity: [.quality]])
    try store.store(Example.timingGroup(context: 512, task: 0), run: run)
    let stored = try store.storedKinds(of: Example.cells.map(\.cell.identity) + ["unknown"])
    #expect(stored.count == Example.strategies.count)
    #expect(stored[cell.cell.identity] == [.quality, .latency])
  }

  @Test("A later run's figures are shown and the earlier ones are kept")
  func newestRun() throws {
    let store = try openStore()
    let cell = Example.cells[3]
    let first = try begin(store)
    try store.store(Example.results(cell), run: first)
    let second = try begin(store)
    try store.store(Example.results(cell, shift: 0.5), run: second)
    let row = try store.results(of: "example").rows[3]
    #expect(row[.perplexity] == 17.5)
    #expect(row.kinds[.quality] == second)
    #expect(row.heads.count == Example.results(cell).heads.count)
    #expect(row.units.count == 16)
    #expect(try store.results(ofRun: first).rows.first?[.perplexity] == 17)
    #expect(
      try store.storedMeasurement(
        "perplexity", statistic: "value", setting: .propagated, phase: nil,
        of: cell.cell.identity) == 17.5)
    let count = try store.read {
      try Int.fetchOne($0, sql: "SELECT count(*) FROM measurement WHERE name = 'perplexity'")
    }
    #expect(count == 2)
  }

  @Test("A measurement is looked up with its setting and phase, absent ones included")
  func measurementLookup() throws {
    let store = try openStore()
    let identity = Example.cells[0].cell.identity
    let run = try begin(store)
    try store.store(
      CellResults(
        identity: identity, kinds: [.memory],
        measurements: [
          Measurement("density", "mean", setting: .isolated, phase: .prefill, value: 1, unit: ""),
          Measurement("density", "mean", setting: .isolated, value: 2, unit: ""),
          Measurement("density", "mean", value: nil, unit: ""),
        ]), run: run)
    func density(_ setting: ErrorSetting?, _ phase: MeasuredPhase?) throws -> Double? {
      try store.storedMeasurement(
        "density", statistic: "mean", setting: setting, phase: phase, of: identity)
    }
    #expect(try density(.isolated, .prefill) == 1)
    #expect(try density(.isolated, nil) == 2)
    #expect(try density(nil, nil) == nil)
    #expect(try density(.propagated, nil) == nil)
  }

  @Test("Two experiments share a cell and name its model as each likes")
  func sharedCells() throws {
    let store = try openStore()
    let run = try begin(store)
    try store.store(Example.results(Example.cells[0]), run: run)
    var renamed = Example.cells[0]
    renamed.cell.model = "my-model"
    _ = try begin(store, name: "other", cells: [renamed])
    let row = try #require(try store.results(of: "other").rows.first)
    #expect(row.planned == renamed)
    #expect(row[.perplexity] == 14)
    #expect(try store.results(of: "other").runs.map(\.experiment) == ["example", "other"])
    #expect(try store.experimentNames() == ["example", "other"])
    // As in a database that was cut out of another one.
    _ = try begin(store, name: "empty", cells: [])
    #expect(try store.experimentNames() == ["example", "other"])
    #expect(try store.results(of: "example").rows[0].planned.cell.model == "smollm2")
  }

  @Test("Strategies are called by their labels, then by the names that labels have in common")
  func strategyNames() throws {
    let store = try openStore()
    _ = try begin(store)
    let labels = Example.cells.map(\.label)
    let names = try store.strategyNames(in: "example")
    #expect(
      Array(names.prefix(Set(labels).count))
        == labels.reduce(into: []) { kept, label in
          if !kept.contains(label) { kept.append(label) }
        })
    #expect(Set(names) == Set(labels + Example.cells.map(\.cell.strategy)))
    #expect(Set(names).count == names.count)
    var other = Example.cells[0]
    other.label = "of another"
    _ = try begin(store, name: "other", cells: [other])
    #expect(try store.strategyNames(in: "other") == ["of another", other.cell.strategy])
    #expect(try store.strategyNames().contains("of another"))
    #expect(try store.strategyNames(in: "example") == names)
    #expect(try store.strategyNames(in: "none") == [])
  }

  @Test("The newest plan is the experiment's; figures of dropped cells stay in the tables")
  func newPlan() throws {
    let store = try openStore()
    let run = try begin(store)
    for cell in Example.cells { try store.store(Example.results(cell), run: run) }
    _ = try begin(store, cells: Array(Example.cells.prefix(4).reversed()))
    let rows = try store.results(of: "example").rows
    #expect(rows.map(\.planned) == Array(Example.cells.prefix(4).reversed()))
    #expect(try store.results(ofRun: run).rows.map(\.planned) == Example.cells)
    let last = Example.cells[23].cell.identity
    #expect(try store.storedKinds(of: [last])[last] == [.approximation, .quality, .memory])
  }

  @Test("A failure stands until every kind that it prevented is stored")
  func failureOfKinds() throws {
    let store = try openStore()
    let cell = Example.cells[1]
    try store.storeFailure(
      of: cell.cell.identity, kinds: [.quality, .latency], reason: "no", run: try begin(store))
    func failure() throws -> String? { try store.results(of: "example").rows[1].failure?.reason }
    var results = Example.results(cell)
    results.kinds = [.memory]
    try store.store(results, run: try begin(store))
    #expect(try failure() == "no", "another kind is no answer")
    results.kinds = [.quality]
    try store.store(results, run: try begin(store))
    #expect(try failure() == "no", "latency is still missing")
    try store.store(Example.timingGroup(context: 512, task: 0), run: try begin(store))
    #expect(try failure() == nil)
  }

  @Test(
    "The newest run is the one that started last, whatever rows it has; then the identity tells")
  func newestByTime() throws {
    let store = try openStore()
    let cell = Example.cells[3]
    let runs = try (0..<2).map { _ in try begin(store) }
    for (run, shift) in zip(runs, [0, 0.5]) {
      try store.store(Example.results(cell, shift: shift), run: run)
      try store.store(
        Example.timingGroup(context: 512, task: 0, drift: 9 * shift), run: run)
    }
    func figures() throws -> [Double?] {
      let row = try store.results(of: "example").rows[3]
      return [row[.perplexity], row.heads.first?.lastQueryError, row[.timeToFirstToken]]
    }
    let newest = try figures()
    func set(_ run: Int64, _ column: String, _ value: String) throws {
      try store.write {
        try $0.execute(sql: "UPDATE run SET \(column) = ? WHERE id = ?", arguments: [value, run])
      }
    }
    // As if the second had been made elsewhere, earlier, and merged in later.
    try set(runs[1], "started_at", "2020-01-01T00:00:00.000Z")
    let first = try figures()
    #expect(zip(first, newest).allSatisfy { $0 != $1 } && first[0] == 17)
    #expect(try store.results(of: "example").runs.map(\.id) == [runs[1], runs[0]])
    try set(runs[0], "started_at", "2020-01-01T00:00:00.000Z")
    try set(runs[0], "identity", "b")
    try set(runs[1], "identity", "a")
    #expect(try figures() == first)
    try set(runs[1], "identity", "c")
    #expect(try figures() == newest)
    #expect(
      try store.storedMeasurement(
        "perplexity", statistic: "value", setting: .propagated, phase: nil,
        of: cell.cell.identity) == 17.5)
  }

  @Test("A run starts later than those in the file, whatever the clock says")
  func clock() throws {
    for time in [1_800_000_000, 1_700_000_000.0] {
      let store = try ResultStore(
        path: folder.file(), access: .writing, now: { Date(timeIntervalSince1970: time) })
      _ = try begin(store)
      try store.close()
    }
    #expect(
      try ResultStore(path: folder.file(), access: .reading).storedRuns().map(\.startedAt)
        == ["2027-01-15T08:00:00.000Z", "2027-01-15T08:00:00.001Z"])
  }

  @Test("Runs in an hour that a clock repeats start one after the other")
  func repeatedHour() throws {
    let store = try ResultStore(
      path: folder.file(), access: .writing,
      now: { Date(timeIntervalSince1970: 1_800_000_000.116) })
    for _ in 0..<300 { _ = try begin(store) }
    let times = try store.storedRuns().map(\.startedAt)
    #expect(Set(times).count == 300 && times == times.sorted())
  }

  @Test("A kind that failed when it was measured again is asked for again, others are not")
  func failedAgain() throws {
    let store = try openStore()
    let cell = Example.cells[0]
    var results = Example.results(cell)
    results.kinds = [.quality, .memory]
    try store.store(results, run: begin(store))
    let later = try begin(store)
    try store.storeFailure(of: cell.cell.identity, kinds: [.quality], reason: "no", run: later)
    #expect(try store.storedKinds(of: [cell.cell.identity]) == [cell.cell.identity: [.memory]])
    results.kinds = [.quality]
    try store.store(results, run: begin(store))
    #expect(
      try store.storedKinds(of: [cell.cell.identity]) == [cell.cell.identity: [.quality, .memory]])
  }

  @Test("A run whose plan was left out does not stand for its experiment")
  func runWithoutPlan() throws {
    let store = try openStore()
    _ = try store.beginRun(
      of: Example.record, cells: Example.cells, provenance: Example.provenance)
    let cut = try begin(store, name: Example.record.name)
    try DatabaseQueue(path: folder.file()).write {
      try $0.execute(sql: "UPDATE run SET plan_id = NULL WHERE id = ?", arguments: [cut])
      #expect(
        try Int.fetchOne($0, sql: "SELECT count(*) FROM experiment_cell") == Example.cells.count)
    }
    #expect(try store.results(of: Example.record.name).rows.count == Example.cells.count)
  }

  @Test("The newest calibration is the one stored last, whatever the clock says")
  func clockOfCalibrations() throws {
    var calibration = CalibrationRecord(
      identity: "c1", strategy: "tca", model: "m", modelDigest: "d", corpus: "emma",
      corpusDigest: "e", tokens: 4, options: [:], evidence: 0)
    for (index, time) in [1_800_000_000, 1_700_000_000.0, 1_750_000_000].enumerated() {
      let store = try ResultStore(
        path: folder.file(), access: .writing, now: { Date(timeIntervalSince1970: time) })
      calibration.evidence = .integer(index)
      try store.store(calibration)
      #expect(try store.storedCalibration("c1") == calibration)
      try store.close()
    }
  }

  @Test("A plan is stored once, however many runs have it")
  func onePlan() throws {
    let store = try openStore()
    for _ in 0..<3 { _ = try begin(store) }
    _ = try begin(store, name: "other")
    _ = try begin(store, cells: Array(Example.cells.prefix(4)))
    let counts = try store.read {
      try [
        Int.fetchOne($0, sql: "SELECT count(*) FROM plan"),
        Int.fetchOne($0, sql: "SELECT count(*) FROM plan_cell"),
      ]
    }
    #expect(counts == [2, 28])
  }

  @Test("Text is stored whole, NULs and all, and comes back so")
  func wholeText() throws {
    let store = try openStore()
    let text = "a\u{0}b \u{301}\" ☃ \u{0}"
    let experiment = ExperimentRecord(name: "example", question: text, spec: "{} " + text)
    let run = try store.beginRun(
      of: experiment, cells: Example.cells, provenance: Example.provenance)
    try store.store(
      CellResults(
        identity: Example.cells[0].cell.identity, kinds: [.quality],
        units: [
          ScoredUnit(sample: 0, index: 0, place: 0, tokens: 1, answer: text, expected: text + "c")
        ]), run: run)
    try store.storeFailure(
      of: Example.cells[1].cell.identity, kinds: [.quality], reason: text, run: run)
    let results = try ResultStore(path: folder.file(), access: .reading).results(of: "example")
    #expect(results.experiment == experiment)
    #expect(results.rows[0].units.first?.answer == text)
    #expect(results.rows[0].units.first?.expected == text + "c")
    #expect(results.rows[1].failure?.reason == text)
  }

  @Test("A run that another process is at is told from one that was killed")
  func inProgress() throws {
    let store = try openStore()
    let run = try begin(store)
    let own = ProcessInfo.processInfo.processIdentifier
    #expect(try store.runsInProgress().map(\.run.id) == [run])
    #expect(
      try store.runsInProgress().map(\.process) == [HoldingProcess(number: own, isInSight: true)])
    // A process of the same number that started at another time, and is gone.
    try store.write { try $0.execute(sql: "UPDATE run SET process = process || '0'") }
    try store.close()
    let next = try openStore()
    #expect(try next.runsInProgress().isEmpty)
    try next.endRun(try begin(next), as: .finished)
    #expect(try next.runsInProgress().isEmpty)
  }

  @Test("A failure is shown until a later run completes the cell")
  func failures() throws {
    let store = try openStore()
    let identity = Example.cells[1].cell.identity
    let first = try begin(store)
    try store.storeFailure(of: identity, kinds: [.quality], reason: "reference failed", run: first)
    try store.endRun(first, as: .withFailures)
    #expect(
      try store.results(of: "example").rows[1].failure
        == StoredFailure(run: first, reason: "reference failed"))
    let second = try begin(store)
    try store.store(Example.results(Example.cells[1]), run: second)
    #expect(try store.results(of: "example").rows[1].failure == nil)
    try store.storeFailure(of: identity, kinds: [.latency], reason: "timing failed", run: second)
    #expect(try store.results(of: "example").rows[1].failure?.reason == "timing failed")
    #expect(try store.results(ofRun: first).rows.map(\.failure?.reason) == ["reference failed"])
  }

  @Test("A calibration is stored once as long as its evidence stays the same; the newest is found")
  func calibrations() throws {
    let store = try openStore()
    var calibration = CalibrationRecord(
      identity: "c1", strategy: "tca", model: "m", modelDigest: "d", corpus: "emma",
      corpusDigest: "e", tokens: 2048, options: [:], evidence: ["kept": 0.25])
    #expect(try store.storedCalibration("c1") == nil)
    try store.store(calibration)
    try store.store(calibration)
    calibration.evidence = ["kept": 0.5]
    try store.store(calibration)
    #expect(try store.storedCalibration("c1") == calibration)
    #expect(
      try store.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM calibration") } == 2)
  }

  @Test("A figure that is not a number is refused with its place, and nothing of the call is kept")
  func notANumber() throws {
    let store = try openStore()
    let run = try begin(store)
    var results = Example.results(Example.cells[2])
    results.heads[4].outputCosine = .nan
    let error = #expect(throws: StoreError.self) { try store.store(results, run: run) }
    #expect(error?.problem == .invalidFigure)
    #expect(
      error?.description.contains(
        "output_cosine in head_measurement, setting \"isolated\", phase \"prefill\", layer 1, "
          + "query_head 1 of cell 512-perplexity-prefill-tca threshold=0.7 is not a number") == true
    )
    #expect(try store.results(of: "example").rows[2].heads.isEmpty)
    var group = Example.timingGroup(context: 512, task: 0)
    group.samples[3].decodeOtherTime = .nan
    #expect(throws: StoreError.self) { try store.store(group, run: run) }
    #expect(try store.results(of: "example").timingGroups.isEmpty)
  }

  @Test("Unknown cells, runs and experiments are named in the error")
  func unknownNames() throws {
    let store = try openStore()
    let none = #expect(throws: StoreError.self) { try store.results(of: "x") }
    #expect(none?.advice == "It holds none at all: run one first.")
    let run = try begin(store)
    let error = #expect(throws: StoreError.self) { try store.results(of: "exmaple") }
    #expect(error?.problem == .unknownName)
    #expect(
      error?.description
        == "database \"\(folder.file())\": it holds no experiment \"exmaple\". It holds \"example\". Did you mean \"example\"?"
    )
    #expect(throws: StoreError.self) { try store.results(ofRun: run + 1) }
    #expect(throws: StoreError.self) { try store.endRun(run + 1, as: .finished) }
    #expect(throws: StoreError.self) {
      try store.store(CellResults(identity: "nowhere", kinds: []), run: run)
    }
    #expect(throws: StoreError.self) {
      try store.store(Example.results(Example.cells[0]), run: run + 1)
    }
  }
}
