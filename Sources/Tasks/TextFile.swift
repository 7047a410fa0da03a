import Foundation
import Records

/// Text files as this program reads them: UTF-8, byte for byte.
public enum TextFile {
  /// The whole text: nothing trimmed, no line end changed, a byte order mark kept.
  ///
  /// - Throws: a ``TextError`` for a file that cannot be read, and for bytes that are no UTF-8,
  ///   with the offset.
  public static func text(at path: String) throws(TextError) -> String {
    try text(of: bytes(at: path), name: path)
  }

  /// The text that bytes spell; `name` begins the error.
  static func text(of bytes: [UInt8], name: String) throws(TextError) -> String {
    do {
      return String(copying: try UTF8Span(validating: bytes.span))
    } catch {
      let offset = error.byteOffsets.lowerBound
      throw TextError(
        file: name,
        problem:
          "is no UTF-8 text: the byte \"\(bytes[offset])\" at offset \(offset) cannot stand there; save it as UTF-8"
      )
    }
  }

  /// - Parameter folder: where a relative path starts; empty for the working directory.
  static func bytes(at written: String, in folder: String = "") throws(TextError) -> [UInt8] {
    let path: String
    do {
      path = try WrittenPath.file(written, in: folder)
    } catch {
      throw TextError(file: written, problem: error.problem)
    }
    switch PathTarget(of: path) {
    case .file: break
    case .folder: throw TextError(file: path, problem: "is a folder; a text file is needed")
    case .nothing: throw TextError(file: path, problem: "there is no such file")
    case .hidden(let reason): throw TextError(file: path, problem: "cannot be read: \(reason)")
    }
    do {
      let (handle, first) = try opened(path)
      defer { try? handle.close() }
      var bytes = first
      while let piece = try handle.read(upToCount: 1 << 20), !piece.isEmpty {
        bytes += piece
        guard bytes.count <= mostBytes else {
          throw TextError(
            file: path,
            problem:
              "has more than \(mostBytes >> 20) MiB, which is more than any text here needs; cut it"
          )
        }
      }
      return bytes
    } catch let error as TextError {
      throw error
    } catch {
      throw TextError(file: path, problem: "cannot be read: \(FileProblem.text(of: error))")
    }
  }

  /// An open file and its first bytes.
  ///
  /// Pipes are read too, such as a shell's process substitution. Where no program has the other end,
  /// that is an error: opening it might wait for ever.
  private static func opened(_ path: String) throws(TextError) -> (FileHandle, [UInt8]) {
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw TextError(file: path, problem: "cannot be read: \(String(cString: strerror(errno)))")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    var byte: UInt8 = 0
    // 0 at the end of a file, and of a pipe without a writer; -1 where one has not written yet.
    let count = read(descriptor, &byte, 1)
    var status = stat()
    if count == 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFIFO {
      throw TextError(
        file: path,
        problem: "is a pipe that no program writes into; start that program first, or name a file")
    }
    // From here on a writer is waited for.
    _ = fcntl(descriptor, F_SETFL, O_RDONLY)
    return (handle, count == 1 ? [byte] : [])
  }

  /// What has no end, such as a device, would fill the memory.
  private static let mostBytes = 256 << 20
}

/// Why a text cannot be used.
public struct TextError: Error, Equatable, CustomStringConvertible {
  /// The path, or a shipped text's name.
  public let file: String
  public let problem: String

  public var description: String { "\(file): \(problem)" }
}
