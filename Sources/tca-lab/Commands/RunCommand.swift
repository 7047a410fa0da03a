import ArgumentParser
import Experiments
import Foundation
import Planning
import Records
import ResultStore
import Threads

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Runs the cells of an experiment that are not stored yet.",
    discussion: """
      Example: tca-lab run experiments/quickstart.json --db results/tca-lab.sqlite

      On several machines: tca-lab run SPEC --shard 2/4 --db shard-2.sqlite, then tca-lab merge

      A cell finished before is skipped. Interrupted by Ctrl-C or killed, a run goes on where it stopped when it is
      started again. A cell that fails is recorded with its reason, and tried again the next time.
      """)

  @Argument(help: "The spec, a JSON file.", completion: .specs) var spec: String
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var threads: ThreadOptions
  @Option(
    help: ArgumentHelp(
      "Run one part of the plan: 2/4 is the second of four. Every machine splits a plan alike; what shares work or is compared in time stays together.",
      valueName: "i/n"), transform: Shard.init(argument:))
  var shard: Shard?
  @Option(
    help: ArgumentHelp(
      "Refuse cells that would take more memory, such as 8GB or 500MiB (default: the machine's, or its control group's).",
      valueName: "size"), transform: MemoryLimit.init(argument:))
  var memoryLimit: MemoryLimit?
  @Flag(help: "Run all cells again into a new run; older results stay.") var fresh = false

  func run() throws {
    let file = try SpecFile(path: spec)
    try file.requireModels()
    let wanted = file.checked.spec
    let workspace = try threads.makeWorkspace(default: wanted.threads)
    let store = try ResultStore(path: database.path, access: .writing)
    for (run, process) in try store.runsInProgress() {
      Log.line(
        "note: \(process) is running \"\(run.experiment)\" on this database too (run \(run.id), since \(run.startedAt)); they share the cells that both lack"
      )
    }
    let plan = ExperimentPlan(file.checked)
    let groups = shard?.groups(of: plan, in: file.checked)
    if let shard, let groups {
      Log.line(
        "shard \(shard): \(groups.reduce(0) { $0 + $1.cells.count }) of \(plan.cells.count.counting("cell"))"
      )
    }
    let interruption = Interruption()
    Standstill.watch()
    let reporter = RunReporter()
    var request = RunRequest(
      experiment: ExperimentRecord(
        name: wanted.name, question: wanted.question, spec: file.text),
      plan: plan, groups: groups, metrics: wanted.metrics,
      warmups: wanted.warmups, repeats: wanted.repeats, isFresh: fresh, folder: file.folder)
    request.memoryLimit = memoryLimit ?? .ofThisProcess
    request.neededBytes = { cells, missing in
      PlanEstimate(of: cells, in: file.checked, plan: plan, missing: missing).cells
        .mapValues(\.peakBytes)
    }
    let runner = ExperimentRunner(
      request, models: ModelShelf(file.checked.models, workspace: workspace), sink: store,
      machine: MachineShare(), isInterrupted: { interruption.isRequested }, report: reporter.note)
    let summary = try runner.runAll(
      provenance: .collect(
        sourceState: builtSourceState, threads: workspace.workers.threadCount))
    try store.close()
    reporter.finish(summary, database: database.path, experiment: wanted.name, isFresh: fresh)
    if summary.isInterrupted { throw Failure(interruption.status, "") }
    if summary.failed > 0 {
      throw Failure(.someCellFailed, "\(summary.failed.counting("cell")) failed")
    }
  }
}
