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
    #expect(
      results.runs == [
        StoredRun(
          id: run, experiment: "example", startedAt: "2027-01-15T08:00:00.000Z",
          endedAt: "2027-01-15T08:00:00.000Z", ending: .finished,
          provenance: Example.provenance)
      ])
    #expect(results.rows.map(\.planned) == Example.cells)
    for (row, planned) in zip(results.rows, Example.cells) {
      let stored = Example.results(planned)
      #expect(Set(row.heads) == Set(stored.heads))
      #expect(row.heads.count == stored.heads.count)
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
    #expect(row.units.count == 8)
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
    #expect(try store.results(of: "example").rows[0].planned.cell.model == "smollm2")
  }

  @Test("The newest plan is the experiment's; figures of dropped cells stay in the tables")
  func newPlan() throws {
    let store = try openStore()
    let run = try begin(store)
    for cell in Example.cells { try store.store(Example.results(cell), run: run) }
    _ = try begin(store, cells: Array(Example.cells.prefix(4).reversed()))
    let rows = try store.results(of: "example").rows
    #expect(rows.map(\.planned) == Array(Example.cells.prefix(4).reversed()))
    let last = Example.cells[23].cell.identity
    #expect(try store.storedKinds(of: [last])[last] == [.approximation, .quality, .memory])
  }

  @Test("A failure is shown until a later run completes the cell")
  func failures() throws {
    let store = try openStore()
    let identity = Example.cells[1].cell.identity
    let first = try begin(store)
    try store.storeFailure(of: identity, reason: "reference failed", run: first)
    try store.endRun(first, as: .withFailures)
    #expect(
      try store.results(of: "example").rows[1].failure
        == StoredFailure(run: first, reason: "reference failed"))
    let second = try begin(store)
    try store.store(Example.results(Example.cells[1]), run: second)
    #expect(try store.results(of: "example").rows[1].failure == nil)
    try store.storeFailure(of: identity, reason: "timing failed", run: second)
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
        "outputCosine of layer 1, query head 1 of cell 512-perplexity-prefill-tca threshold=0.7 "
          + "is not a number") == true)
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
        == "database \"\(folder.file())\": it holds no experiment \"exmaple\". It holds \"example\"."
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
