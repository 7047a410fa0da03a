import Digests
import Foundation
import ProgramFiles
import Records

/// A long text that tasks cut their samples from and strategies are calibrated on.
public struct Corpus: Sendable, Hashable {
  /// A shipped text's name or a path, as given.
  public let name: String
  public let text: String
  /// SHA-256 of the file's bytes.
  public let digest: String

  /// The texts that the program carries; `experiments/corpora/README.md` says where they come from.
  public static let shippedNames = [
    "emma", "persuasion", "northangerabbey", "sensesensibility", "kjv", "sqlite-docs", "jargon",
    "code", "sqlite3-header",
  ]
  /// Shipped texts whose line breaks mean something.
  private static let unwrappedNames: Set = ["code"]

  /// Whether the lines of a text are joined where nothing is said: those of any but the shipped
  /// `code`.
  public static func joinsLines(named name: String) -> Bool { !unwrappedNames.contains(name) }
  /// What strategies are calibrated on by default.
  public static let calibrationDefault = "emma"
  /// What tasks read by default.
  public static let evaluationDefault = "persuasion"

  /// A file. Throws for one that cannot be read or is no UTF-8.
  public init(path: String) throws(TextError) {
    try self.init(name: path, bytes: TextFile.bytes(at: path))
  }

  /// The shipped text of that name, or else the file at that path, which starts at `folder` if it
  /// is relative. A shipped text's name comes first: write `./emma` for a file.
  public init(named name: String, folder: URL) throws(TextError) {
    try self.init(name: name, bytes: Self.bytes(of: name, folder: folder))
  }

  init(name: String, bytes: [UInt8]) throws(TextError) {
    self.name = name
    text = try TextFile.text(of: bytes, name: name)
    digest = SHA256Digest.of(Data(bytes))
  }

  private static func bytes(of name: String, folder: URL) throws(TextError) -> [UInt8] {
    guard shippedNames.contains(name) else {
      return try TextFile.bytes(at: name, in: folder.path)
    }
    return try TextFile.bytes(at: shippedPath(of: name))
  }

  private static func shippedPath(of name: String) throws(TextError) -> String {
    do {
      return try ProgramResources.path(of: "corpora/\(name).txt")
    } catch {
      throw TextError(file: name, problem: error.description)
    }
  }

  /// The size of a text; nil where it cannot be looked up, which reading it tells.
  static func byteCount(of name: String, folder: URL) -> Int? {
    let found: String?
    if shippedNames.contains(name) {
      found = try? shippedPath(of: name)
    } else {
      found = try? WrittenPath.file(name, in: folder.path)
    }
    guard let path = found else { return nil }
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: WrittenPath.target(of: path))
    return (attributes?[.size] as? NSNumber)?.intValue
  }

  /// The most tokens that a text can have in any vocabulary, and its bytes, where these are fewer than are needed; nil
  /// where they may be enough.
  ///
  /// A token is at least one byte; what is beyond ASCII may become three times as long where a vocabulary brings text into
  /// normalization form C; and a vocabulary may put one space before a text.
  static func mostTokens(
    of name: String, folder: URL, ifBelow needed: Int
  ) -> (tokens: Int, bytes: Int)? {
    // Long texts are not read for this.
    guard let size = byteCount(of: name, folder: folder), size < needed,
      let bytes = try? bytes(of: name, folder: folder)
    else { return nil }
    let tokens = 1 + bytes.reduce(0) { $0 + ($1 < 0x80 ? 1 : 3) }
    return tokens < needed ? (tokens: tokens, bytes: bytes.count) : nil
  }

  /// The text with hard-wrapped lines joined: a single line break becomes a space, two stay, three
  /// or more become two. A carriage return before a line feed belongs to the break.
  public var withJoinedLines: String { Self.joiningLines(of: text) }

  /// The text as it is read where nothing is said of its lines.
  public var running: String { Self.joinsLines(named: name) ? withJoinedLines : text }

  static func joiningLines(of text: String) -> String {
    let lineFeed = UInt8(ascii: "\n")
    let carriageReturn = UInt8(ascii: "\r")
    let bytes = Array(text.utf8)
    var joined: [UInt8] = []
    joined.reserveCapacity(bytes.count)
    var offset = 0
    while offset < bytes.count {
      var breaks = 0
      while offset < bytes.count {
        let isPair =
          bytes[offset] == carriageReturn && offset + 1 < bytes.count
          && bytes[offset + 1] == lineFeed
        guard isPair || bytes[offset] == lineFeed else { break }
        breaks += 1
        offset += isPair ? 2 : 1
      }
      switch breaks {
      case 0:
        joined.append(bytes[offset])
        offset += 1
      case 1: joined.append(UInt8(ascii: " "))
      default: joined += [lineFeed, lineFeed]
      }
    }
    return String(decoding: joined, as: UTF8.self)
  }
}
