import Foundation
import LabTestSupport
import Testing

@testable import tca_lab

@Suite("The commit that a program was built from")
struct SourceStateTests {
  private let checkout: TemporaryFolder
  private let output: TemporaryFolder

  init() throws {
    checkout = try TemporaryFolder()
    output = try TemporaryFolder()
    for name in ["Sources", "results"] {
      try FileManager.default.createDirectory(
        at: checkout.url.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    try checkout.write("one", to: "Sources/a.swift")
    try checkout.write("one", to: "results/report.md")
  }

  private func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(program) \(arguments)")
  }

  private func git(_ arguments: String...) throws {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    try run("/usr/bin/env", ["git", "-C", checkout.url.path] + identity + arguments)
  }

  private func commit() throws {
    try git("init", "-q")
    try git("add", "-A")
    try git("commit", "-q", "-m", "one")
  }

  /// What a build of the checkout, or of a folder in it, would write into the program.
  private func state(of folder: String = "") throws -> String {
    let root = URL(fileURLWithPath: #filePath)
      .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    try run(
      "/bin/sh",
      [
        root.appendingPathComponent("scripts/source-state").path, checkout.path(folder),
        output.path("state.swift"),
      ])
    let text = try String(contentsOfFile: output.path("state.swift"), encoding: .utf8)
    let parts = text.split(separator: "\"")
    return try String(#require(parts.count == 3 ? parts[1] : nil, "\(text)"))
  }

  @Test("A run records the commit that was built, whatever is checked out by then")
  func recorded() throws {
    let lab = try Lab()
    try lab.writeSpec(strategies: [Lab.streaming], rest: #", "metrics": ["memory"]"#)
    let run = try lab.run("run", "spec.json")
    #expect(run.status == 0, "\(run.err)")
    let runs = try lab.runs("results/tca-lab.sqlite")
    #expect(runs.map(\.provenance.sourceState) == [builtSourceState])
  }

  @Test("Sources that differ from the commit are dirty, results that do are not")
  func dirty() throws {
    try commit()
    let clean = try state()
    #expect(clean.count >= 7 && clean.allSatisfy(\.isHexDigit))
    try checkout.write("two", to: "results/report.md")
    #expect(try state() == clean)
    try checkout.write("two", to: "Sources/b.swift")
    #expect(try state() == clean + "-dirty")
    try FileManager.default.removeItem(at: checkout.url.appendingPathComponent("Sources/b.swift"))
    try checkout.write("two", to: "Sources/a.swift")
    #expect(try state() == clean + "-dirty")
  }

  @Test("Outside of git, and inside of somebody else's repository, it is unknown")
  func unknown() throws {
    #expect(try state() == "unknown")
    try commit()
    #expect(try state(of: "Sources") == "unknown")
  }

  @Test("A state that is written already is left alone, so that nothing is built again")
  func unchanged() throws {
    try commit()
    _ = try state()
    let file = output.path("state.swift")
    let old = Date(timeIntervalSince1970: 1_000_000)
    func date() throws -> Date? {
      try FileManager.default.attributesOfItem(atPath: file)[.modificationDate] as? Date
    }
    try FileManager.default.setAttributes([.modificationDate: old], ofItemAtPath: file)
    _ = try state()
    #expect(try date() == old)
    try checkout.write("two", to: "Sources/a.swift")
    _ = try state()
    #expect(try date() != old)
  }
}
