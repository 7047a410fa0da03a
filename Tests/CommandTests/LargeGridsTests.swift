import ArgumentParser
import Foundation
import LabTestSupport
import Planning
import Testing

@testable import tca_lab

@Suite("The page about large grids")
struct LargeGridsTests {
  private static let docs = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("docs")

  private static func text(_ name: String) throws -> String {
    try String(contentsOf: docs.appendingPathComponent(name), encoding: .utf8)
  }

  /// The lines of shell blocks.
  private static func commands() throws -> [String] {
    var isInside = false
    return try text("large-grids.md").split(separator: "\n").compactMap { line in
      if line.hasPrefix("```") {
        isInside = line == "```sh"
        return nil
      }
      return isInside ? String(line) : nil
    }
  }

  /// The words of a command as bash reads it, variables included.
  private static func words(_ command: String, _ environment: [String: String] = [:]) throws
    -> [String]
  {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    process.arguments = ["-uc", "for word in \(command); do printf '%s\\0' \"$word\"; done"]
    process.environment = environment
    process.standardOutput = pipe
    try process.run()
    let out = try pipe.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(command)")
    return String(decoding: out, as: UTF8.self).split(separator: "\0").map(String.init)
  }

  @Test("Its commands are commands of the program")
  func commands() throws {
    let own = try Self.commands().filter { $0.hasPrefix("tca-lab ") }
    #expect(own.count >= 6)
    for line in own {
      let words = try Self.words(line)
      #expect(throws: Never.self, "\(line)") {
        _ = try TCALab.parseAsRoot(Array(words.dropFirst()))
      }
    }
    #expect(throws: (any Error).self) {
      _ = try TCALab.parseAsRoot(["run", "x.json", "--shards", "1/2"])
    }
  }

  @Test("What it says of an array of jobs is what its command asks for")
  func array() throws {
    let text = try Self.text("large-grids.md")
    let sizes = text.matches(of: #/--array-size (\d+)/#).map { $0.1 }
    let told = text.matches(of: #/array of (\d+) tasks/#).map { $0.1 }
    let files = text.matches(of: #/shard-I-of-(\d+)\.sqlite/#).map { $0.1 }
    #expect(!sizes.isEmpty && !told.isEmpty && !files.isEmpty)
    #expect(Set(sizes + told + files).count == 1)
  }

  @Test("The Kubernetes Job's pods run each shard once")
  func kubernetes() throws {
    let yaml = try Self.text("large-grids/kubernetes.yaml")
    let lines = yaml.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
    let count = try #require(
      lines.first { $0.hasPrefix("completions: ") }.flatMap { Int($0.dropFirst(13)) })
    let command = try #require(lines.first { $0.hasPrefix("exec tca-lab ") }).dropFirst(5)
    let variable = try #require(lines.first { $0.hasPrefix("shard=") }).dropFirst(6)
    var seen: Set<Shard> = []
    for index in 0..<count {
      let shard = try Self.words(String(variable), ["JOB_COMPLETION_INDEX": "\(index)"])
      let words = try Self.words(String(command), ["shard": shard[0]])
      let run = try #require(
        try TCALab.parseAsRoot(Array(words.dropFirst())) as? RunCommand)
      let own = try #require(run.shard)
      #expect(
        own.count == count && run.database.path == "shards/shard-\(own.number)-of-\(count).sqlite")
      seen.insert(own)
    }
    #expect(seen.count == count)
  }

  @Test("GNU parallel runs the shards and merges them; again it does nothing anew")
  func parallel() throws {
    guard FileManager.default.isExecutableFile(atPath: "/usr/bin/parallel") else {
      print("SKIPPED: there is no GNU parallel here (apt-get install parallel)")
      return
    }
    let lab = try Lab()
    try lab.writeSpec(contexts: "128, 256", strategies: [Lab.streaming])
    let folder = lab.folder.appendingPathComponent("a group's folder")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
    for _ in 0..<2 {
      let process = Process()
      process.executableURL = Self.docs.appendingPathComponent("large-grids/parallel.sh")
      process.arguments = ["spec.json", "3", "a group's folder/all.sqlite"]
      process.currentDirectoryURL = lab.folder
      process.environment = ProcessInfo.processInfo.environment
        .merging(["TCA_LAB": Lab.program.path, "HOME": lab.folder.path]) { $1 }
      process.standardError = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      try process.run()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    #expect(try lab.run("run", "spec.json", "--db", "one.sqlite").status == 0)
    let all = "a group's folder/all.sqlite"
    #expect(try lab.reproducible(all) == lab.reproducible("one.sqlite"))
    #expect(try lab.runs(all).count == 6)
    #expect(try lab.results(all).rows.allSatisfy { $0.kinds.count == 4 })
  }
}
