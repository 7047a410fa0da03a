import Kernels

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A read-only mapping of a file: pages are loaded when first read and belong to the system's
/// cache.
///
/// The size is taken once, when the file is opened. If another process shortens the file
/// afterwards, reading a page that is gone kills this process with the signal SIGBUS; no check here
/// can rule that out, so do not rewrite a model in place while it is in use (write a new file and
/// rename it: the old one stays whole for those who have it open). ``requireUnchanged()`` tells
/// whether that has happened.
public final class MappedFile: ByteStorage {
  public let path: String
  public let byteCount: Int

  /// The mapping, or nil for an empty file. Set by the initialiser and only read afterwards, hence
  /// safe from any thread.
  private nonisolated(unsafe) let address: UnsafeMutableRawPointer?
  private let descriptor: Int32
  private let modified: [Int]

  /// Maps a whole file. Throws if it cannot be opened, is not a regular file, or cannot be mapped.
  public init(path: String) throws(MappedFileError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw MappedFileError(path: path, problem: lastError()) }
    do throws(MappedFileError) {
      let status = try fileStatus(of: descriptor, path: path)
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw MappedFileError(path: path, problem: "not a regular file")
      }
      let byteCount = Int(status.st_size)
      var address: UnsafeMutableRawPointer?
      if byteCount > 0 {
        address = mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0)
        guard address != MAP_FAILED else {
          throw MappedFileError(path: path, problem: "cannot be mapped: \(lastError())")
        }
      }
      self.path = path
      self.byteCount = byteCount
      self.address = address
      self.descriptor = descriptor
      self.modified = status.modificationTime
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    if let address { munmap(address, byteCount) }
    close(descriptor)
  }

  public var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      // The mapping lives as long as `self`.
      let buffer = UnsafeRawBufferPointer(start: address, count: byteCount)
      return _overrideLifetime(RawSpan(_unsafeBytes: buffer), borrowing: self)
    }
  }

  /// Throws if the file was shortened, extended or written since it was opened. Ask between
  /// measurements: weights that change under a run make its numbers worthless.
  public func requireUnchanged() throws(MappedFileError) {
    let status = try fileStatus(of: descriptor, path: path)
    guard Int(status.st_size) == byteCount else {
      throw MappedFileError(
        path: path,
        problem: "had \(byteCount) bytes when it was opened and now has \"\(status.st_size)\"")
    }
    guard status.modificationTime == modified else {
      throw MappedFileError(path: path, problem: "was written to since it was opened")
    }
  }
}

/// Why a file cannot be read as memory.
public struct MappedFileError: Error, Equatable, CustomStringConvertible {
  public let path: String
  /// Such as "No such file or directory".
  public let problem: String

  public var description: String { "\(path): \(problem)" }
}

private func lastError() -> String { String(cString: strerror(errno)) }

private func fileStatus(of descriptor: Int32, path: String) throws(MappedFileError) -> stat {
  var status = stat()
  guard fstat(descriptor, &status) == 0 else {
    throw MappedFileError(path: path, problem: lastError())
  }
  return status
}

extension stat {
  fileprivate var modificationTime: [Int] {
    #if canImport(Darwin)
      [Int(st_mtimespec.tv_sec), Int(st_mtimespec.tv_nsec)]
    #else
      [Int(st_mtim.tv_sec), Int(st_mtim.tv_nsec)]
    #endif
  }
}
