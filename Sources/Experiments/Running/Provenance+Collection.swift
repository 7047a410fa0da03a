import Foundation
import Kernels
import Planning
import Records

extension Provenance {
  /// The version in `--version`, reports and citations.
  public static let programVersion = "0.1.0"

  /// The packages that the program is built with, as Package.swift pins them (a test compares).
  public static let dependencyVersions = [
    "swift-argument-parser": "1.8.2", "GRDB.swift": "7.10.0",
  ]

  /// What a run on this machine records.
  ///
  /// - Parameter sourceState: the commit that the program was built from, which only the program knows.
  public static func collect(sourceState: String, threads: Int) -> Provenance {
    Provenance(
      programVersion: programVersion, sourceState: sourceState,
      numericsVersion: NumericsVersion.current,
      operatingSystem: ProcessInfo.processInfo.operatingSystemVersionString, cpu: cpuName,
      cores: ProcessInfo.processInfo.activeProcessorCount,
      memoryBytes: ProcessMemory.physicalBytes, blas: BLAS.configuration,
      blasThreadsPerCall: BLAS.threadsPerCall, threads: threads, compiler: compiler,
      compilerFlags: compilerFlags, dependencies: dependencyVersions)
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

  /// The kernels' instruction sets are a part of the build: they decide how sums are cut, and so the last bits.
  private static var compilerFlags: String {
    #if DEBUG
      let build = "debug"
    #else
      let build = "release"
    #endif
    let sets = InstructionSets.compiledFor.joined(separator: " ")
    return build + (sets.isEmpty ? ", kernels for any CPU" : ", kernels with \(sets)")
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
