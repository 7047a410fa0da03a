import Foundation
import LabTestSupport
import Records
import Testing

@testable import Experiments

@Suite("Provenance")
struct ProvenanceTests {
  @Test("The recorded dependency versions are those that Package.swift pins")
  func dependencies() throws {
    let manifest = try String(
      contentsOf: URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Package.swift"), encoding: .utf8)
    for (package, version) in Provenance.dependencyVersions {
      #expect(manifest.contains("/\(package)\", exact: \"\(version)\""), "\(package)")
    }
  }

  @Test("A checkout is dirty where sources differ from the commit, not where results do")
  func dirty() throws {
    let folder = try TemporaryFolder()
    func git(_ arguments: String...) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments =
        ["git", "-C", folder.url.path, "-c", "user.name=t", "-c", "user.email=t@example.com"]
        + arguments
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      try #require(process.terminationStatus == 0, "git \(arguments)")
    }
    for name in ["Sources", "results"] {
      try FileManager.default.createDirectory(
        at: folder.url.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    #expect(Provenance.commit(of: folder.url) == nil)
    try folder.write("one", to: "Sources/a.swift")
    try folder.write("one", to: "results/report.md")
    try git("init", "-q")
    try git("add", "-A")
    try git("commit", "-q", "-m", "one")
    let commit = try #require(Provenance.commit(of: folder.url))
    #expect(commit.count >= 7 && commit.allSatisfy(\.isHexDigit))
    try folder.write("two", to: "results/report.md")
    #expect(Provenance.commit(of: folder.url) == commit)
    try folder.write("two", to: "Sources/b.swift")
    #expect(Provenance.commit(of: folder.url) == commit + "-dirty")
    try FileManager.default.removeItem(at: folder.url.appendingPathComponent("Sources/b.swift"))
    try folder.write("two", to: "Sources/a.swift")
    #expect(Provenance.commit(of: folder.url) == commit + "-dirty")
  }
}
