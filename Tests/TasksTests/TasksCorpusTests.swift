import Digests
import Foundation
import LabTestSupport
import Testing

@testable import Tasks

@Suite("Corpora")
struct TasksCorpusTests {
  @Test(
    "Joining lines turns one break into a space and three or more into two",
    arguments: [
      ("", ""), ("a", "a"), ("a\nb", "a b"), ("a\n\nb", "a\n\nb"), ("a\n\n\nb", "a\n\nb"),
      ("a\n\n\n\n\nb\n", "a\n\nb "), ("\na", " a"), ("a \n b", "a   b"),
      ("a\r\nb\r\n\r\nc\rd\r", "a b\n\nc\rd\r"), ("é\n漢", "é 漢"),
    ])
  func joinLines(text: String, joined: String) {
    #expect(Array(Corpus.joiningLines(of: text).utf8) == Array(joined.utf8))
  }

  @Test("Shipped texts are the checkout's files, byte for byte", arguments: Corpus.shippedNames)
  func shipped(name: String) throws {
    let corpus = try Corpus(named: name, folder: URL(fileURLWithPath: "/nowhere"))
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("experiments/corpora/\(name).txt")
    #expect(try SHA256Digest.ofFile(at: file.path) == corpus.digest)
    #expect(corpus.name == name && corpus.text.utf8.count > 400_000)
  }

  @Test(
    "The README beside the texts has each one's size and digest", arguments: Corpus.shippedNames)
  func readme(name: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("experiments/corpora")
    let readme = try String(contentsOf: folder.appendingPathComponent("README.md"), encoding: .utf8)
    let rows = readme.split(separator: "\n").filter { $0.hasPrefix("| `\(name)` |") }
    let cells = try #require(rows.first).split(separator: "|").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    let corpus = try Corpus(named: name, folder: folder)
    #expect(rows.count == 1 && cells[3] == "`\(corpus.digest)`")
    #expect(cells[2].replacing(",", with: "") == "\(corpus.text.utf8.count)")
    // A snapshot says of which commit it is, in both places.
    if name == "code" {
      let commit = try #require(cells[1].split(separator: " ").last)
      #expect(corpus.text.hasPrefix("// Swift sources of tca-lab, commit \(commit)\n"))
    }
  }

  @Test("Lines are joined where nothing is said, but for those of the shipped code")
  func running() throws {
    let folder = try TemporaryFolder()
    try folder.write("a\nb", to: "code")
    #expect(try Corpus(named: "./code", folder: folder.url).running == "a b")
    let kjv = try Corpus(named: "kjv", folder: folder.url)
    #expect(kjv.running == kjv.withJoinedLines && kjv.running != kjv.text)
    let code = try Corpus(named: "code", folder: folder.url)
    #expect(code.running == code.text && code.text.contains("\n  public init"))
  }

  @Test("A file is read as it is, from the spec's folder")
  func file() throws {
    let folder = try TemporaryFolder()
    try folder.write(" \u{FEFF}a\r\nb \n", to: "text.txt")
    try folder.write("other", to: "emma")
    let corpus = try Corpus(named: "text.txt", folder: folder.url)
    #expect(Array(corpus.text.utf8) == Array(" \u{FEFF}a\r\nb \n".utf8))
    let other = try Corpus(named: "./text.txt", folder: folder.url)
    #expect(other.text == corpus.text && other.digest == corpus.digest)
    #expect(try Corpus(named: "./emma", folder: folder.url).text == "other")
    #expect(try Corpus(named: "emma", folder: folder.url).text.count > 10_000)
    #expect(try Corpus(path: folder.path("text.txt")).digest == corpus.digest)
  }

  @Test(
    "Bytes that are no UTF-8 are an error with their offset",
    arguments: [
      ([0x61, 0xFF, 0x62], "255", 1), ([0x61, 0xE2, 0x82], "226", 1), ([0xC0, 0x80], "192", 0),
      ([0x61, 0x62, 0xED, 0xA0, 0x80], "237", 2),
    ] as [([UInt8], String, Int)])
  func invalid(bytes: [UInt8], byte: String, offset: Int) throws {
    let folder = try TemporaryFolder()
    try Data(bytes).write(to: folder.url.appendingPathComponent("bad.txt"))
    let path = folder.path("bad.txt")
    #expect {
      try Corpus(path: path)
    } throws: {
      "\($0)"
        == "\(path): is no UTF-8 text: the byte \"\(byte)\" at offset \(offset) cannot stand there; save it as UTF-8"
    }
  }

  @Test("A missing file and a folder are errors that name the path")
  func missing() throws {
    let folder = try TemporaryFolder()
    let problem = { (name: String) in
      do {
        _ = try Corpus(named: name, folder: folder.url)
        return ""
      } catch {
        return "\(error)"
      }
    }
    #expect(problem("none.txt") == "\(folder.path("none.txt")): there is no such file")
    let long = String(repeating: "a", count: 300)
    #expect(problem(long) == "\(folder.path(long)): cannot be read: File name too long")
    #expect(problem(".") == ".: names a folder by its end \".\"; a file is needed")
    try FileManager.default.createDirectory(
      atPath: folder.path("texts"), withIntermediateDirectories: false)
    #expect(problem("texts") == "\(folder.path("texts")): is a folder; a text file is needed")
  }
}
