import Foundation

/// What a path means that a person writes, on a command line or in a spec: the same for every command.
///
/// It is taken letter by letter; a relative one starts at the working directory, or at the spec's folder. `~/` begins
/// the home folder (`$HOME`), as in a shell. What other programs would take for something else is refused by name
/// rather than guessed: a URL, `~name`, and a folder where a file is needed.
public enum WrittenPath {
  /// The path of a file, as it is opened.
  ///
  /// - Parameter folder: where a relative path starts; empty for the working directory.
  public static func file(
    _ written: String, in folder: String = ""
  ) throws(WrittenPathError) -> String {
    try refuseURL(written)
    let last = written.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    if !written.isEmpty, last.isEmpty || last == "." || last == ".." {
      throw WrittenPathError(
        written, "names a folder by its end \"\(last.isEmpty ? "/" : last)\"; a file is needed")
    }
    return try self.folder(written, in: folder)
  }

  /// The path of a folder, as it is opened.
  public static func folder(
    _ written: String, in folder: String = ""
  ) throws(WrittenPathError) -> String {
    if written.isEmpty { throw WrittenPathError(written, "is empty; a path is needed") }
    if written.utf8.contains(0) {
      throw WrittenPathError(written, "holds a NUL, which no path can")
    }
    try refuseURL(written)
    if written.hasPrefix("~") {
      guard written == "~" || written.hasPrefix("~/") else {
        throw WrittenPathError(
          written,
          "begins with \"~\", which is the home folder in \"~/\" only; give the whole path, or \"./\(written)\" for a file of that very name"
        )
      }
      return home + written.dropFirst()
    }
    if folder.isEmpty || written.hasPrefix("/") { return written }
    return folder.hasSuffix("/") ? folder + written : folder + "/" + written
  }

  /// Of `file:` SQLite and browsers take the rest for a path; of any other scheme, as in `https://`, nothing here fetches what
  /// it names.
  private static func refuseURL(_ written: String) throws(WrittenPathError) {
    if written.lowercased().hasPrefix("file:") {
      throw WrittenPathError(
        written, "begins like a URL; give a path, or \"./\(written)\" for a file of that very name")
    }
    if written.contains(/^[A-Za-z][A-Za-z0-9+.\-]*:\/\//) {
      throw WrittenPathError(
        written,
        "is a URL, and nothing is fetched here; download it and give the path, or \"./\(written)\" for a file of that very name"
      )
    }
  }

  /// What a path leads to, the symbolic links at its end followed: that may not exist. A chain without an end is left at
  /// some link of it.
  public static func target(of path: String) -> String {
    var path = path
    for _ in 0..<40 {
      guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else {
        return path
      }
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      path = next.hasPrefix("/") ? next : folder + "/" + next
    }
    return path
  }

  /// Whether a path leads to a regular file, symbolic links followed. Reading anything else may wait
  /// for ever: for the other end of a pipe, or for the end of a device.
  public static func isRegularFile(_ path: String) -> Bool {
    let type =
      try? FileManager.default.attributesOfItem(atPath: target(of: path))[.type]
      as? FileAttributeType
    return type == .typeRegular
  }

  private static var home: String {
    ProcessInfo.processInfo.environment["HOME"].flatMap { $0.isEmpty ? nil : $0 }
      ?? NSHomeDirectory()
  }
}

/// Why a path is refused before anything is looked up.
public struct WrittenPathError: Error, Hashable, Sendable, CustomStringConvertible {
  public var path: String
  /// What is wrong, and what to write instead.
  public var problem: String

  init(_ path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  public var description: String { "\"\(path)\" \(problem)" }
}
