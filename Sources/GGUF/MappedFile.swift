import CMappedFile
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
/// afterwards, reading a page that is gone ends this process, with exit code 3 and a text on stderr;
/// no check here can rule that out, so do not rewrite a model in place while it is in use (write a new
/// file and rename it: the old one stays whole for those who have it open). ``state()`` tells whether a file
/// may have changed.
public final class MappedFile: ByteStorage {
  public let path: String
  public let byteCount: Int

  /// The mapping, or nil for an empty file. Set by the initialiser and only read afterwards, hence
  /// safe from any thread.
  private nonisolated(unsafe) let address: UnsafeMutableRawPointer?
  /// What is said where a page is gone; made beforehand, since a signal handler may not allocate.
  private nonisolated(unsafe) let notice: UnsafeMutablePointer<CChar>?
  /// Of the open file; this object closes it.
  public let descriptor: Int32
  /// The state in which it was opened.
  public let opened: State

  /// The size and the times of the last changes, by which a file that was written to is told from one
  /// that was not.
  public struct State: Sendable, Hashable {
    public let byteCount: Int
    fileprivate let written: [Int]
    fileprivate let changed: [Int]
  }

  /// Maps a whole file. Throws at once if it cannot be opened, is not a regular file, or cannot be
  /// mapped.
  public init(path: String) throws(MappedFileError) {
    // Without O_NONBLOCK a named pipe is waited for, perhaps for ever. To a file it means nothing.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else {
      let isMissing = errno == ENOENT || errno == ENOTDIR
      throw MappedFileError(
        path: path,
        problem: isMissing ? "there is no such file" : "cannot be read: \(lastError())")
    }
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
      notice = strdup(
        "\ntca-lab: \(quoted(path)) was cut off by another program while it was in use; what was stored before is kept: put the file back and start again\n"
      )
      if let address { watch_mapping(address, byteCount, notice) }
      self.descriptor = descriptor
      opened = status.state
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    if let address {
      forget_mapping(address)
      munmap(address, byteCount)
    }
    free(notice)
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

  /// The state that the file has now. One that differs from `opened` may hold the same bytes: it was
  /// renamed, or written with what it held.
  ///
  /// Throws if the file was shortened or extended since it was opened: weights that change under a run
  /// make its numbers worthless.
  public func state() throws(MappedFileError) -> State {
    let state = try fileStatus(of: descriptor, path: path).state
    guard state.byteCount == byteCount else {
      throw MappedFileError(
        path: path,
        problem: "had \(byteCount) bytes when it was opened and now has \"\(state.byteCount)\"")
    }
    return state
  }
}

/// Why a file cannot be read as memory.
public struct MappedFileError: Error, Equatable, CustomStringConvertible {
  public let path: String
  /// Such as "there is no such file".
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
  fileprivate var state: MappedFile.State {
    #if canImport(Darwin)
      let (written, changed) = (st_mtimespec, st_ctimespec)
    #else
      let (written, changed) = (st_mtim, st_ctim)
    #endif
    return MappedFile.State(
      byteCount: Int(st_size), written: [Int(written.tv_sec), Int(written.tv_nsec)],
      changed: [Int(changed.tv_sec), Int(changed.tv_nsec)])
  }
}
