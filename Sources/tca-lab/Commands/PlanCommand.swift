import ArgumentParser
import Attention
import Experiments
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
    discussion: """
      Times are worked out from what this machine does in a second, which is measured first, with the threads that the run
      will have: on a machine that is busy the estimate is longer.

      Example: tca-lab plan experiments/quickstart.json
      Example: tca-lab plan experiments/leaderboard.json --threads 8 --json
      """)

  @Argument(help: "The spec, a JSON file.", completion: .specs) var spec: String
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var threads: ThreadOptions
  @Flag(help: "Print JSON.") var json = false

  func run() throws {
    let file = try SpecFile(path: spec)
    try file.requireModels()
    let plan = ExperimentPlan(file.checked)
    var stored: [String: Set<ResultKind>] = [:]
    do {
      stored = try ResultStore(path: database.path, access: .reading)
        .storedKinds(of: plan.cells.map(\.cell.identity))
    } catch let error as StoreError where error.problem == .missing {
      // Nothing has been run yet.
    }
    let wanted = PlannedCell.wantedKinds(of: plan.cells, metrics: file.checked.spec.metrics)
    let missing = { (cell: PlannedCell) in
      (wanted[cell.cell.identity] ?? []).subtracting(stored[cell.cell.identity] ?? [])
    }
    let isAllDone = plan.cells.allSatisfy { missing($0).isEmpty }
    let rates =
      isAllDone
      ? .assumed
      : MachineRates.measured(try threads.makeWorkspace(default: file.checked.spec.threads))
    let listing = PlanListing(
      cells: plan.cells,
      estimate: PlanEstimate(
        of: plan.cells, in: file.checked, plan: plan, rates: rates, missing: missing),
      rates: isAllDone ? nil : rates)
    if json { try Output.prettyJSON(listing.json) } else { try Output.text(listing.text) }
  }
}

/// A plan as a person or a program reads it.
struct PlanListing {
  let cells: [PlannedCell]
  let estimate: PlanEstimate
  /// Nil where nothing is left to do.
  let rates: MachineRates?

  private func open(_ cell: PlannedCell) -> PlanEstimate.Cell? {
    estimate.cells[cell.cell.identity]
  }

  var text: String {
    let rows = cells.map { cell in
      [
        open(cell).map { RunReporter.duration($0.seconds) } ?? "done",
        open(cell).map { "\($0.peakBytes / 1_000_000) MB" } ?? "", cell.cell.model,
        "\(cell.cell.contextLength)", cell.taskTitle, cell.label,
        String(cell.cell.identity.prefix(12)),
      ]
    }
    let done = cells.count { open($0) == nil }
    var text =
      TextTable(
        header: ["takes", "memory", "model", "context", "task", "strategy", "identity"], rows: rows,
        rightAligned: [0, 1, 3]
      ).text + "\n\(cells.count.counting("cell")), \(done) done"
    if let rates {
      text += String(
        format:
          "; the rest takes about %@ and up to %d MB, at %.0f GFLOP/s in products, %.0f in attention and %.1f GB/s of weights, as measured now",
        RunReporter.duration(estimate.seconds), estimate.peakBytes / 1_000_000,
        rates.products * 1e-9, rates.attention * 1e-9, rates.weights * 1e-9)
    }
    return text
  }

  var json: JSONValue {
    get throws {
      let list = try cells.map { cell in
        var members = try JSONValue(encoding: cell.cell).objectValue ?? [:]
        members["protocol"] = members.removeValue(forKey: "taskProtocol") ?? .null
        members["label"] = .string(cell.label)
        members["done"] = .boolean(open(cell) == nil)
        members["estimatedSeconds"] = .number(open(cell)?.seconds ?? 0)
        members["estimatedPeakBytes"] = .integer(open(cell)?.peakBytes ?? 0)
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
