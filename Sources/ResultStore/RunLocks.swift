import Digests
import Foundation

/// Which runs are being worked on, whatever container their processes are in: each locks a byte of its database's
/// folder, and the kernel frees that with the process, whatever the cause.
///
/// Numbers of processes mean nothing in another PID namespace, and how long ago a process gave a sign says nothing of one
/// that is stopped. The folder itself is locked: no file is made, and nothing that SQLite closes frees it. A lock is seen
/// by all processes of one kernel, which are those that can use one database in WAL mode. Where folders cannot be locked,
/// no run is held.
final class RunLocks: Sendable {
  private let folder: Int32

  /// - Parameter file: the database; nil where its folder cannot be opened.
  init?(besides file: String) {
    folder = Self.opened(file)
    if folder < 0 { return nil }
  }

  deinit { close(folder) }

  /// Held until `releaseAll`, or the end of the process.
  func hold(_ run: String) {
    var byte = Self.byte(of: run, F_RDLCK)
    _ = fcntl(folder, Self.setLock, &byte)
  }

  func releaseAll() {
    var all = flock()
    all.l_type = Int16(F_UNLCK)
    _ = fcntl(folder, Self.setLock, &all)
  }

  /// Whether a process, this one included, is at work on the run of a database.
  static func isHeld(_ run: String, besides file: String) -> Bool {
    // An own look at the folder: one's own locks stand in nobody's way.
    let folder = opened(file)
    guard folder >= 0 else { return false }
    defer { close(folder) }
    var byte = byte(of: run, F_WRLCK)
    return fcntl(folder, askForLock, &byte) == 0 && byte.l_type != Int16(F_UNLCK)
  }

  private static func opened(_ file: String) -> Int32 {
    open(
      URL(fileURLWithPath: file).deletingLastPathComponent().path,
      O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  }

  /// The byte that stands for a run: of 2^60, so that no two meet.
  private static func byte(of run: String, _ kind: some BinaryInteger) -> flock {
    var lock = flock()
    lock.l_type = Int16(kind)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = Int(SHA256Digest.of(run).prefix(15), radix: 16) ?? 0
    lock.l_len = 1
    return lock
  }

  // Locks of an open folder, not of the process, which would lose them with any other look at it. The C library has these
  // commands under names that Swift does not see.
  #if os(Linux)
    private static let setLock: Int32 = 37  // F_OFD_SETLK
    private static let askForLock: Int32 = 36  // F_OFD_GETLK
  #else
    private static let setLock: Int32 = 90
    private static let askForLock: Int32 = 92
  #endif
}
