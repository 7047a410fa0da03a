import Foundation

/// A program of the system, called without a shell.
struct ForeignProgram {
  private let url: URL

  /// Nil where no folder of `PATH` has it.
  init?(named name: String) {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    guard
      let path = folders.lazy.map({ "\($0)/\(name)" })
        .first(where: FileManager.default.isExecutableFile)
    else { return nil }
    url = URL(fileURLWithPath: path)
  }

  /// Runs it to its end: the exit code, and what it wrote to stdout. Its stderr is this program's.
  func run(_ arguments: [String]) throws -> (status: Int32, out: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = url
    process.arguments = arguments
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    try process.run()
    let out = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: out, as: UTF8.self))
  }
}
