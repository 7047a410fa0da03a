import Foundation
import LabTestSupport
import Records
import Testing

@Suite("What stands where a path leads")
struct PathTargetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("A file, a folder, nothing, and what the system does not say are told apart")
  func kinds() throws {
    try folder.write("x", to: "file")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("link"), withDestinationPath: "file")
    #expect(PathTarget(of: folder.path("file")) == .file)
    #expect(PathTarget(of: folder.path("link")) == .file)
    #expect(PathTarget(of: "/dev/null") == .file)
    #expect(PathTarget(of: folder.url.path) == .folder)
    #expect(PathTarget(of: folder.path("none")) == .nothing)
    #expect(PathTarget(of: folder.path("file") + "/x") == .nothing)
    let long = String(repeating: "a", count: 300)
    #expect(PathTarget(of: folder.path(long)) == .hidden("File name too long"))
  }

  @Test(
    "Behind a folder that is closed nothing is taken for missing",
    .enabled(if: geteuid() != 0, "root may look everywhere"))
  func closed() throws {
    try folder.write("x", to: "file")
    let manager = FileManager.default
    try manager.setAttributes([.posixPermissions: 0], ofItemAtPath: folder.url.path)
    defer {
      try? manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.url.path)
    }
    #expect(PathTarget(of: folder.path("file")) == .hidden("Permission denied"))
  }
}
