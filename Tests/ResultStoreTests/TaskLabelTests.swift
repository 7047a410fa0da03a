import Foundation
import GRDB
import Testing

@testable import ResultStore

@Suite("Labels of tasks")
struct TaskLabelTests {
  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-labels-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try body(folder.appendingPathComponent("results.sqlite").path)
  }

  private func tasks(_ store: ResultStore, _ view: String) throws -> [String] {
    try store.read {
      try String.fetchAll($0, sql: "SELECT DISTINCT task FROM \(view) ORDER BY task")
    }
  }

  @Test("comparison and head_summary show the label, and the name where none was stored")
  func shown() throws {
    try inFolder { path in
      let store = try ResultStore(path: path, access: .writing)
      var cells = ExampleExperiment.cells
      for index in cells.indices where cells[index].cell.task == "passkey" {
        cells[index].taskLabel = "passkey corpus=emma"
      }
      let run = try store.beginRun(
        of: ExampleExperiment.record, cells: cells,
        provenance: ExampleExperiment.provenance)
      for cell in cells { try store.store(ExampleExperiment.results(cell), run: run) }
      #expect(try tasks(store, "comparison") == ["passkey corpus=emma", "perplexity"])
      #expect(try tasks(store, "head_summary").contains("perplexity"))
      let names = try store.read {
        try String.fetchAll($0, sql: "SELECT DISTINCT task_name FROM comparison ORDER BY task_name")
      }
      #expect(names == ["passkey", "perplexity"])
      #expect(
        try store.results(of: "example").rows.map(\.planned.taskLabel) == cells.map(\.taskLabel))
    }
  }
}
