import Foundation
import GGUF
import Testing

@Suite("Mapped file")
struct MappedFileTests {
  @Test("The bytes are the file's")
  func bytes() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/data"
      let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
      try Data(content).write(to: URL(fileURLWithPath: path))
      let file = try MappedFile(path: path)
      #expect(file.byteCount == content.count)
      #expect(self.content(of: file) == content)
    }
  }

  func content(of file: MappedFile) -> [UInt8] { file.bytes.withUnsafeBytes { Array($0) } }

  /// The error's text, or "none".
  func message<Value>(_ body: () throws -> Value) -> String {
    do {
      _ = try body()
      return "none"
    } catch {
      return "\(error)"
    }
  }

  @Test("An empty file is empty, a folder or a missing file is an error")
  func edges() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/empty"
      try Data().write(to: URL(fileURLWithPath: path))
      #expect(try content(of: MappedFile(path: path)) == [])
      #expect(message { try MappedFile(path: folder) } == "\(folder): not a regular file")
      let missing = folder + "/none"
      #expect(message { try MappedFile(path: missing) } == "\(missing): there is no such file")
      #expect(message { try GGUFFile(path: missing) } == "\(missing): there is no such file")
      #expect(
        message { try SafetensorsFile(path: missing) } == "\(missing): there is no such file")
      let long = folder + "/" + String(repeating: "a", count: 300)
      #expect(
        message { try MappedFile(path: long) } == "\(long): cannot be read: File name too long")
    }
  }

  @Test(
    "A pipe without a writer and a device are refused at once, not waited for",
    .timeLimit(.minutes(30)))
  func noFiles() throws {
    try TemporaryFolder.use { folder in
      let pipe = folder + "/pipe"
      #expect(mkfifo(pipe, 0o600) == 0)
      for path in [pipe, "/dev/zero", "/dev/null"] {
        #expect(message { try MappedFile(path: path) } == "\(path): not a regular file")
        #expect(message { try GGUFFile(path: path) } == "\(path): not a regular file")
        #expect(message { try SafetensorsFile(path: path) } == "\(path): not a regular file")
      }
    }
  }

  @Test("A file that is shortened or written afterwards is found out")
  func changes() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/data"
      try Data([UInt8](repeating: 1, count: 5_000)).write(to: URL(fileURLWithPath: path))
      let file = try MappedFile(path: path)
      #expect(try file.state() == file.opened)
      let handle = try #require(FileHandle(forUpdatingAtPath: path))
      try handle.truncate(atOffset: 4_999)
      #expect(
        message { try file.state() }
          == "\(path): had 5000 bytes when it was opened and now has \"4999\"")
      try handle.truncate(atOffset: 5_000)
      try handle.close()
      let longAgain = try file.state()
      #expect(longAgain != file.opened)
      // A time of writing that was set back does not hide the change.
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
      #expect(try file.state() != file.opened && file.state() != longAgain)
    }
  }

  @Test("A file replaced by renaming leaves the open one whole")
  func replacement() throws {
    try TemporaryFolder.use { folder in
      let path = folder + "/data"
      try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
      let file = try MappedFile(path: path)
      try Data([9]).write(to: URL(fileURLWithPath: folder + "/new"))
      #expect(rename(folder + "/new", path) == 0)
      #expect(content(of: file) == [1, 2, 3])
      #expect(try file.state().byteCount == 3)
    }
  }
}
