import Foundation

/// Runs programs that do part of the work, and ends them where the work is interrupted.
struct ChildPrograms {
  let environment: [String: String]
  let isInterrupted: () -> Bool

  struct Ended {
    var status: Int32
    /// The end of what it wrote to stderr.
    var errors: String
  }

  /// Runs a program in a folder that also takes its temporary files, and calls `tick` some ten
  /// times a second meanwhile. An interruption ends it.
  func run(
    _ program: String, _ arguments: [String], in folder: String, tick: () -> Void = {}
  ) throws(ModelLibraryError) -> Ended {
    let log = "\(folder)/errors.txt"
    _ = FileManager.default.createFile(atPath: log, contents: nil)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    // The working directory is on Python's module path: it must be one that nobody else writes to.
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = environment.merging(["TMPDIR": folder, "LC_ALL": "C.UTF-8"]) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    do {
      process.standardError = try FileHandle(forWritingTo: URL(fileURLWithPath: log))
      try process.run()
    } catch {
      throw ModelLibraryError(
        .missingProgram, "\(program): cannot be run: \(error.localizedDescription)")
    }
    while process.isRunning, !isInterrupted() {
      tick()
      Thread.sleep(forTimeInterval: 0.1)
    }
    Self.end(process)
    // A terminal interrupts the program as well: then that is why it failed.
    try stopIfInterrupted()
    let errors = (try? Data(contentsOf: URL(fileURLWithPath: log))) ?? Data()
    return Ended(
      status: process.terminationStatus,
      errors: String(decoding: errors.suffix(4_096), as: UTF8.self)
    )
  }

  /// Asks a program that still runs to end, and after two seconds makes it.
  private static func end(_ process: Process) {
    if process.isRunning { process.terminate() }
    for _ in 0..<20 where process.isRunning { Thread.sleep(forTimeInterval: 0.1) }
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
  }

  func stopIfInterrupted() throws(ModelLibraryError) {
    if isInterrupted() { throw ModelLibraryError(.interrupted, "interrupted; nothing was kept") }
  }
}
