import Foundation
import LabTestSupport
import Records
import Testing

@Suite("Files that commands write")
struct WrittenFileTests {
  private let folder: TemporaryFolder
  private let manager = FileManager.default

  init() throws { folder = try TemporaryFolder() }

  private func write(_ text: String, to name: String) throws {
    try WrittenFile.write(Data(text.utf8), to: folder.path(name))
  }

  private func text(_ name: String) throws -> String {
    try String(contentsOfFile: folder.path(name), encoding: .utf8)
  }

  private func type(_ name: String) throws -> FileAttributeType? {
    try manager.attributesOfItem(atPath: folder.path(name))[.type] as? FileAttributeType
  }

  @Test("A link stays, and what it leads to is written, be it there or not")
  func links() throws {
    try folder.write("old", to: "file")
    for (link, target) in [("a", "file"), ("b", "a"), ("c", "new")] {
      try manager.createSymbolicLink(atPath: folder.path(link), withDestinationPath: target)
      try write(link, to: link)
      #expect(try type(link) == .typeSymbolicLink)
    }
    #expect(try text("file") == "b" && text("new") == "c")
    #expect(WrittenPath.target(of: folder.path("b")) == folder.path("file"))
  }

  @Test("A chain of links without an end is an error, not a file")
  func endless() throws {
    try manager.createSymbolicLink(atPath: folder.path("a"), withDestinationPath: "b")
    try manager.createSymbolicLink(atPath: folder.path("b"), withDestinationPath: "a")
    let error = #expect(throws: WrittenFileError.self) { try write("x", to: "a") }
    #expect(error?.problem.contains("circle") == true)
    #expect(try manager.contentsOfDirectory(atPath: folder.url.path).sorted() == ["a", "b"])
    #expect(try type("a") == .typeSymbolicLink && type("b") == .typeSymbolicLink)
  }

  @Test("A pipe takes the bytes and stays one")
  func pipe() throws {
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    let reader = Process()
    reader.executableURL = URL(fileURLWithPath: "/bin/cat")
    reader.arguments = [folder.path("pipe")]
    let out = Pipe()
    reader.standardOutput = out
    try reader.run()
    try WrittenFile.requireWritable(folder.path("pipe"))
    try write("through", to: "pipe")
    #expect(out.fileHandleForReading.readDataToEndOfFile() == Data("through".utf8))
    reader.waitUntilExit()
    #expect(try type("pipe") != .typeRegular)
  }

  @Test("What leads to a regular file is told from what may be waited for")
  func regular() throws {
    try folder.write("x", to: "file")
    try manager.createSymbolicLink(atPath: folder.path("link"), withDestinationPath: "file")
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    try manager.createSymbolicLink(atPath: folder.path("to pipe"), withDestinationPath: "pipe")
    for (name, isFile) in [
      ("file", true), ("link", true), ("pipe", false), ("to pipe", false), ("", false),
      ("nowhere", false),
    ] {
      #expect(WrittenPath.isRegularFile(folder.path(name)) == isFile, "\(name)")
    }
    #expect(!WrittenPath.isRegularFile("/dev/null"))
  }

  @Test("What cannot be written is said before and after the work, with the cause")
  func refused() throws {
    try folder.write("x", to: "file")
    try manager.createDirectory(atPath: folder.path("folder"), withIntermediateDirectories: true)
    for (name, cause) in [
      ("folder", "it is a folder"), ("no/file", "there is no folder"), ("file/x", "is no folder"),
    ] {
      let path = folder.path(name)
      let before = #expect(throws: WrittenFileError.self) {
        try WrittenFile.requireWritable(path)
      }
      #expect(before.map { "\($0)".contains(path) && "\($0)".contains(cause) } == true)
      let after = #expect(throws: WrittenFileError.self) { try write("x", to: name) }
      #expect(after.map { !$0.problem.contains("NSCocoa") } == true, "\(after?.problem ?? "")")
    }
    try WrittenFile.requireWritable(folder.path("file"))
    try WrittenFile.requireWritable(folder.path("new"))
  }
}
