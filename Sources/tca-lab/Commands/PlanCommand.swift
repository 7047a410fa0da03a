import ArgumentParser
import Foundation
import JSON
import Planning
import Records
import Reports
import ResultStore

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan",
    abstract:
      "Shows the cells of an experiment, what is done already, and what the rest will take.",
    discussion: "Example: tca-lab plan experiments/quickstart.json")

  @Argument(help: "The spec, a JSON file.") var spec: String
  @OptionGroup var database: DatabaseOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let file = try SpecFile(path: spec)
    try file.requireModels()
    let plan = ExperimentPlan(file.checked)
    let cells = plan.cells
    var stored: [String: Set<ResultKind>] = [:]
    do {
      stored = try ResultStore(path: database.path, access: .reading)
        .storedKinds(of: cells.map(\.cell.identity))
    } catch let error as StoreError where error.problem == .missing {
      // Nothing has been run yet.
    }
    let metrics = file.checked.spec.metrics
    let isDone = { (cell: PlannedCell) in
      metrics.isSubset(of: stored[cell.cell.identity] ?? [])
    }
    let estimate = PlanEstimate(
      of: cells.filter { !isDone($0) }, in: file.checked, plan: plan)
    if json {
      try Output.prettyJSON(PlanListing(cells, isDone: isDone, estimate: estimate).json)
    } else {
      try Output.text(PlanListing(cells, isDone: isDone, estimate: estimate).text)
    }
  }
}

/// A plan as a person or a program reads it.
struct PlanListing {
  let cells: [PlannedCell]
  let isDone: (PlannedCell) -> Bool
  let estimate: PlanEstimate

  init(_ cells: [PlannedCell], isDone: @escaping (PlannedCell) -> Bool, estimate: PlanEstimate) {
    self.cells = cells
    self.isDone = isDone
    self.estimate = estimate
  }

  var text: String {
    let rows = cells.map { cell in
      [
        isDone(cell) ? "done" : "", cell.cell.model, "\(cell.cell.contextLength)",
        cell.taskTitle, cell.label, String(cell.cell.identity.prefix(12)),
      ]
    }
    let open = cells.count { !isDone($0) }
    return TextTable(
      header: ["", "model", "context", "task", "strategy", "identity"], rows: rows,
      rightAligned: [2]
    ).text
      + "\n\(cells.count) cells, \(cells.count - open) done; the rest takes roughly \(RunReporter.duration(estimate.seconds)) and up to \(estimate.peakBytes / 1_000_000) MB"
  }

  var json: JSONValue {
    get throws {
      let list = try cells.map { cell in
        var members = try JSONValue(encoding: cell.cell).objectValue ?? [:]
        members["protocol"] = members.removeValue(forKey: "taskProtocol") ?? .null
        members["label"] = .string(cell.label)
        members["done"] = .boolean(isDone(cell))
        return JSONValue.object(members)
      }
      return .object([
        "cells": .array(list),
        "estimatedSeconds": .number(estimate.seconds),
        "estimatedPeakBytes": .integer(estimate.peakBytes),
      ])
    }
  }
}
