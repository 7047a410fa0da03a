import Foundation
import Kernels
import Records

extension Provenance {
  /// The version in `--version`, reports and citations.
  public static let programVersion = "0.1.0"

  /// The packages that the program is built with, as Package.swift pins them (a test compares).
  public static let dependencyVersions = [
    "swift-argument-parser": "1.8.2", "GRDB.swift": "7.10.0",
  ]

  /// What can be found out of this build and this machine.
  public static func collect(threads: Int, numericsVersion: Int) -> Provenance {
    Provenance(
      programVersion: programVersion, sourceState: sourceState,
      numericsVersion: numericsVersion,
      operatingSystem: ProcessInfo.processInfo.operatingSystemVersionString, cpu: cpuName,
      cores: ProcessInfo.processInfo.activeProcessorCount,
      memoryBytes: ProcessMemory.physicalBytes, blas: BLAS.configuration,
      blasThreadsPerCall: BLAS.threadsPerCall, threads: threads, compiler: compiler,
      compilerFlags: compilerFlags, dependencies: dependencyVersions)
  }

  /// The commit of the checkout that the program was built in, with a note where sources are newer than the program, so
  /// that the commit may not be what was built.
  private static let sourceState: String = {
    let folder = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    guard let state = commit(of: folder) else { return "unknown" }
    return isNewerThanProgram(folder.appendingPathComponent("Sources"))
      ? state + " (sources changed since the build)" : state
  }()

  /// The commit that is checked out in a folder, with `-dirty` where what a program is built from differs from it; nil
  /// where there is none. Results and documents do not count: writing a shipped report anew does not change the program.
  static func commit(of folder: URL) -> String? {
    let git = ["git", "--no-optional-locks", "-C", folder.path]
    guard let commit = output(of: git + ["describe", "--always", "--abbrev=12"]) else { return nil }
    let changed = output(of: git + ["status", "--porcelain", "--", "Package.swift", "Sources"])
    return changed == nil ? commit : commit + "-dirty"
  }

  private static func isNewerThanProgram(_ sources: URL) -> Bool {
    let key: Set<URLResourceKey> = [.contentModificationDateKey]
    guard
      let program = Bundle.main.executableURL,
      let built = try? program.resourceValues(forKeys: key).contentModificationDate,
      let files = FileManager.default.enumerator(
        at: sources, includingPropertiesForKeys: Array(key))
    else { return false }
    for case let file as URL in files where file.pathExtension == "swift" {
      if let changed = try? file.resourceValues(forKeys: key).contentModificationDate,
        changed > built
      {
        return true
      }
    }
    return false
  }

  private static let cpuName: String = {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    for line in text.split(separator: "\n") where line.hasPrefix("model name") {
      if let colon = line.firstIndex(of: ":") {
        return line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
      }
    }
    return output(of: ["uname", "-m"]) ?? "unknown"
  }()

  private static var compiler: String {
    #if compiler(>=6.4)
      "Swift 6.4 or later"
    #elseif compiler(>=6.3)
      "Swift 6.3"
    #else
      "Swift 6.2"
    #endif
  }

  private static var compilerFlags: String {
    #if DEBUG
      "debug, kernels -march=native"
    #else
      "release, kernels -march=native"
    #endif
  }

  /// The first line that a program prints, or nil if it fails or is not there.
  private static func output(of arguments: [String]) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return nil }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return nil }
    let line = String(decoding: data, as: UTF8.self).split(separator: "\n").first
    return line.map(String.init)
  }
}
