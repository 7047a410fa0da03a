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

      A cell finished before is skipped. Interrupted by Ctrl-C or killed, a run goes on where it stopped when it is
      started again. A cell that fails is recorded with its reason, and tried again the next time.
      """)

  @Argument(help: "The spec, a JSON file.") var spec: String
  @OptionGroup var database: DatabaseOptions
  @OptionGroup var threads: ThreadOptions
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
        "note: process \(process) is running \"\(run.experiment)\" on this database too (run \(run.id), since \(run.startedAt)); a cell that both lack is measured twice"
      )
    }
    let interruption = Interruption()
    Standstill.watch()
    let reporter = RunReporter()
    var request = RunRequest(
      experiment: ExperimentRecord(
        name: wanted.name, question: wanted.question, spec: file.text),
      plan: ExperimentPlan(file.checked), metrics: wanted.metrics,
      warmups: wanted.warmups, repeats: wanted.repeats, isFresh: fresh, folder: file.folder)
    request.memoryLimit = memoryLimit ?? .ofThisProcess
    request.neededBytes = PlanEstimate.neededBytes(of: request.cells, in: file.checked)
    let runner = ExperimentRunner(
      request, models: ModelShelf(file.checked.models, workspace: workspace), sink: store,
      isInterrupted: { interruption.isRequested }, report: reporter.note)
    let summary = try runner.runAll(
      provenance: .collect(
        sourceState: builtSourceState, threads: workspace.workers.threadCount))
    try store.close()
    reporter.finish(summary, database: database.path, experiment: wanted.name, isFresh: fresh)
    if summary.isInterrupted { throw Failure(interruption.status, "") }
    if summary.failed > 0 { throw Failure(.someCellFailed, "\(summary.failed) cells failed") }
  }
}
