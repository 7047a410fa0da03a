import ArgumentParser
import Foundation
import Planning
import Records

struct SubmitCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "submit", abstract: "Runs an experiment on a cluster, as an array of jobs.",
    discussion: """
      Example: tca-lab submit experiments/leaderboard.json --engine slurm --array-size 10 --time 08:00:00 --cpus-per-task 8

      Each task runs a shard of the plan into a database of its own, in a folder that all machines share; a job that waits
      for them merges these into --db. A task that is requeued goes on where it stopped, and so does all of it when it is
      submitted again. docs/large-grids.md has more, and what to do without Slurm.
      """)

  enum Engine: String, ExpressibleByArgument, CaseIterable { case slurm }

  @Argument(help: "The spec, a JSON file.", completion: .specs) var spec: String
  @Option(help: "What runs the jobs.") var engine: Engine
  @Option(
    help: ArgumentHelp(
      "Shards (default: as many as there are groups of cells that belong together, at most \(SubmitCommand.mostShards)).",
      valueName: "n"))
  var arraySize: Int?
  @Option(help: ArgumentHelp("The partition, as sbatch takes it.", valueName: "name"))
  var partition: String?
  @Option(help: ArgumentHelp("The time limit of a task, as sbatch takes it.", valueName: "time"))
  var time: String?
  @Option(
    help: ArgumentHelp(
      "Cores, and threads, of a task (default: the spec's threads).", valueName: "n")
  )
  var cpusPerTask: Int?
  @Option(help: ArgumentHelp("The memory of a task, as sbatch takes it.", valueName: "size"))
  var mem: String?
  @Option(
    parsing: .singleValue,
    help: ArgumentHelp(
      "Another option for sbatch, for tasks and merge: --sbatch=--account=lab. May be given several times.",
      valueName: "option"))
  var sbatch: [String] = []
  @Flag(
    help: "Let other jobs run beside tasks that measure times; without it they get whole machines.")
  var shareNodes = false
  @Option(
    help: ArgumentHelp(
      "The folder that all machines share, for the shards' databases, scripts and logs (default: results/NAME-slurm).",
      valueName: "dir"))
  var folder: String?
  @OptionGroup var database: DatabaseOptions
  @Flag(help: "Print the scripts and how they would be submitted, and do nothing.")
  var dryRun = false

  private static let mostShards = 64
  /// Of an array that somebody asks for.
  private static let mostTasks = 10_000

  func validate() throws {
    if let arraySize, arraySize < 1 {
      throw ValidationError("--array-size is \"\(arraySize)\"; at least 1 shard is needed")
    }
    if let arraySize, arraySize > Self.mostTasks {
      throw ValidationError(
        "--array-size is \"\(arraySize)\"; at most \(Self.mostTasks) shards are allowed, and Slurm's own MaxArraySize is mostly 1001"
      )
    }
    if let cpusPerTask, cpusPerTask < 1 {
      throw ValidationError("--cpus-per-task is \"\(cpusPerTask)\"; at least 1 core is needed")
    }
    if let wrong = sbatch.first(where: { !$0.hasPrefix("-") }) {
      throw ValidationError("--sbatch is \"\(wrong)\"; it takes an option such as --account=lab")
    }
  }

  func run() throws {
    let file = try SpecFile(path: spec)
    try file.requireModels()
    let jobs = try jobs(file)
    if dryRun { return try Output.text(jobs.text) }
    guard let sbatch = ForeignProgram(named: "sbatch") else {
      throw Failure(
        .usage,
        "there is no program \"sbatch\" in PATH; submit from a machine of the cluster, or see the scripts with --dry-run"
      )
    }
    try jobs.writeScripts()
    let array = try submit(jobs.arrayArguments, with: sbatch)
    Log.line(
      "array job \(array): \(jobs.shardCount.counting("shard")), logs and databases in \(jobs.sharedFolder)"
    )
    let merge = try submit(jobs.mergeArguments(after: array), with: sbatch)
    Log.line("merge job \(merge): into \(jobs.database) when all of them have ended")
    try Output.text("\(array)\n\(merge)")
  }

  private func jobs(_ file: SpecFile) throws -> SlurmJobs {
    let plan = ExperimentPlan(file.checked)
    let groupCount = CellGroup.groups(of: plan.cells).count
    let shardCount = arraySize ?? min(groupCount, Self.mostShards)
    if shardCount > groupCount {
      Log.line(
        "note: \(shardCount.counting("shard")) for \(groupCount.counting("group")) of cells: \(shardCount - groupCount) of them will be empty"
      )
    }
    let here = FileManager.default.currentDirectoryPath
    return SlurmJobs(
      program: Bundle.main.executablePath ?? CommandLine.arguments[0],
      spec: try WrittenPath.file(spec, in: here), workingFolder: here,
      sharedFolder: try WrittenPath.folder(
        folder
          ?? ExperimentFolder.path(
            in: "results", of: file.checked.spec.name + "-slurm", otherwise: "--folder"), in: here),
      database: try WrittenPath.file(database.path, in: here), shardCount: shardCount,
      cpusPerTask: cpusPerTask,
      options: [time.map { "--time=\($0)" }, mem.map { "--mem=\($0)" }].compactMap { $0 }
        + (file.checked.spec.metrics.contains(.latency) && !shareNodes ? ["--exclusive"] : []),
      commonOptions: (partition.map { ["--partition=\($0)"] } ?? []) + sbatch)
  }

  /// The job's number.
  private func submit(_ arguments: [String], with sbatch: ForeignProgram) throws -> String {
    let (status, out) = try sbatch.run(arguments)
    // "123" or, of several clusters, "123;name".
    let job = out.prefix { $0.isASCII && $0.isNumber }
    guard status == 0, !job.isEmpty else {
      throw Failure(
        .usage,
        "sbatch did not take the job (exit code \(status), its message above); the scripts are in the shared folder, and --dry-run shows how they are submitted"
      )
    }
    return String(job)
  }
}
