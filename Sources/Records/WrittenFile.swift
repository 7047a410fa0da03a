import Foundation

/// A file that a command writes where a person said: the same for every command.
public enum WrittenFile {
  /// Writes into what the path leads to. Symbolic links stay, and what they lead to is written; a regular file appears
  /// when it is complete; a device, a pipe or a socket takes the bytes as they come.
  ///
  /// - Parameter path: as ``WrittenPath`` gives it.
  public static func write(_ data: Data, to path: String) throws(WrittenFileError) {
    do {
      if let stream = stream(path) {
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: stream))
        defer { try? handle.close() }
        try handle.write(contentsOf: data)
      } else {
        try refuseFolder(path)
        let target = WrittenPath.target(of: path)
        guard (try? FileManager.default.destinationOfSymbolicLink(atPath: target)) == nil else {
          throw WrittenFileError(path, "its symbolic links lead in a circle")
        }
        try data.write(to: URL(fileURLWithPath: target), options: .atomic)
      }
    } catch let error as WrittenFileError {
      throw error
    } catch {
      throw WrittenFileError(path, FileProblem.text(of: error))
    }
  }

  /// Makes a folder for what is to be written, and those above it, where they are missing.
  public static func makeFolder(_ path: String) throws(WrittenFileError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw WrittenFileError(path, FileProblem.text(of: error))
    }
  }

  /// Removes a file that is no longer wanted.
  public static func remove(_ path: String) throws(WrittenFileError) {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      throw WrittenFileError(path, FileProblem.text(of: error))
    }
  }

  /// For before the work: throws where nothing can be written to a path.
  public static func requireWritable(_ path: String) throws(WrittenFileError) {
    guard stream(path) == nil else { return }
    try refuseFolder(path)
    let folder = URL(fileURLWithPath: WrittenPath.target(of: path)).deletingLastPathComponent()
      .path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
      throw WrittenFileError(path, "there is no folder \"\(folder)\"")
    }
    guard isFolder.boolValue else {
      throw WrittenFileError(path, "\"\(folder)\" is no folder")
    }
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw WrittenFileError(path, "the folder \"\(folder)\" does not let you write")
    }
  }

  private static func refuseFolder(_ path: String) throws(WrittenFileError) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw WrittenFileError(path, "it is a folder; a file is needed")
    }
  }

  /// What to open, where the path leads to something that is neither a regular file nor a folder, nor nothing.
  private static func stream(_ path: String) -> String? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let target = WrittenPath.target(of: path)
    let type =
      try? FileManager.default.attributesOfItem(atPath: target)[.type] as? FileAttributeType
    switch type {
    case .typeRegular?, .typeDirectory?: return nil
    // A link of `/proc` names a pipe by a path that does not exist.
    case nil: return path
    default: return target
    }
  }
}

/// Why a file cannot be written.
public struct WrittenFileError: Error, Hashable, Sendable, CustomStringConvertible {
  public var path: String
  public var problem: String

  init(_ path: String, _ problem: String) {
    self.path = path
    self.problem = problem
  }

  public var description: String { "\"\(path)\" cannot be written: \(problem)" }
}

/// What the system says of a file.
public enum FileProblem {
  /// The system's number of an error of Foundation; nil where there is none behind it.
  public static func code(of error: any Error) -> Int32? {
    let error = error as NSError
    if error.domain == NSPOSIXErrorDomain { return Int32(exactly: error.code) }
    return (error.userInfo[NSUnderlyingErrorKey] as? any Error).flatMap { code(of: $0) }
  }

  /// The system's words, where it is behind the error: `Permission denied`.
  public static func text(of error: any Error) -> String {
    code(of: error).map { String(cString: strerror($0)) } ?? error.localizedDescription
  }
}
