import Foundation
import Records

/// A plan as an array of Slurm jobs, one for each shard, and the job that merges what they store.
///
/// Each task has a database of its own in the shared folder: a task that is requeued, and a plan that is submitted again,
/// go on in it. The merge waits for the end of every task, however it ends: what is missing then is missing in the
/// merged database too, and its report says so.
struct SlurmJobs {
  /// Absolute paths.
  var program: String
  var spec: String
  var workingFolder: String
  var sharedFolder: String
  var database: String
  var shardCount: Int
  var cpusPerTask: Int?
  /// Further options of sbatch for the tasks, and those of them that are for the merge too.
  var options: [String]
  var commonOptions: [String]

  var arrayScript: String {
    script(
      [program, "run", spec].map(\.shellWord).joined(separator: " ")
        + #" --shard "$SLURM_ARRAY_TASK_ID/\#(shardCount)""#
        + " --db \(path("shard-").shellWord)\"$SLURM_ARRAY_TASK_ID\"-of-\(shardCount).sqlite"
        + (cpusPerTask.map { " --threads \($0)" } ?? ""))
  }

  var mergeScript: String {
    let sources = (1...shardCount).map { path("shard-\($0)-of-\(shardCount).sqlite") }
    return script(
      ([program, "merge"] + sources + ["--into", database]).map(\.shellWord)
        .joined(separator: " "))
  }

  /// What sbatch is called with for the array. No shell reads it.
  var arrayArguments: [String] {
    arguments(
      name: "tca-lab", log: "shard-%a-of-\(shardCount).log",
      // A minute before the time limit, so that the cell at work can be stored.
      ["--array=1-\(shardCount)", "--signal=B:TERM@60"] + commonOptions + options
        + (cpusPerTask.map { ["--cpus-per-task=\($0)"] } ?? []), script: Self.arrayScriptName)
  }

  /// - Parameter job: the array's number.
  func mergeArguments(after job: String) -> [String] {
    arguments(
      name: "tca-lab-merge", log: "merge.log", ["--dependency=afterany:\(job)"] + commonOptions,
      script: Self.mergeScriptName)
  }

  static let arrayScriptName = "array.sh"
  static let mergeScriptName = "merge.sh"

  /// Writes both scripts into the shared folder.
  func writeScripts() throws {
    do {
      try WrittenFile.makeFolder(sharedFolder)
    } catch {
      throw Failure(.modelOrFile, "\(error); name another folder with --folder")
    }
    for (name, text) in [
      (Self.arrayScriptName, arrayScript), (Self.mergeScriptName, mergeScript),
    ] {
      try WrittenFile.write(Data(text.utf8), to: path(name))
    }
  }

  /// Both scripts with the calls of sbatch, for a person to read or to use.
  var text: String {
    func call(_ arguments: [String]) -> String {
      (["sbatch"] + arguments).map(\.shellWord).joined(separator: " ")
    }
    return """
      # \(Self.arrayScriptName), submitted by:
      # \(call(arrayArguments).replacing("\n", with: "\n# "))
      \(arrayScript)
      # \(Self.mergeScriptName), submitted by:
      # \(call(mergeArguments(after: "ARRAY")).replacing("\n", with: "\n# "))
      \(mergeScript)
      """
  }

  private func path(_ name: String) -> String { sharedFolder + "/" + name }

  private func script(_ command: String) -> String {
    """
    #!/bin/bash
    cd \(workingFolder.shellWord) || exit
    exec \(command)

    """
  }

  /// Relative names of logs: sbatch reads signs of its own in paths, but not in that of the folder.
  private func arguments(
    name: String, log: String, _ options: [String], script: String
  ) -> [String] {
    [
      "--parsable", "--job-name=\(name)", "--requeue", "--open-mode=append",
      "--chdir=\(sharedFolder)", "--output=\(log)",
    ] + options + [path(script)]
  }
}
