import Foundation

/// What the operating system says of this process's memory, in bytes. Linux only: nil elsewhere.
///
/// Resident memory counts mapped pages of the model file too.
package enum ProcessMemory {
  /// Forgets the high-water mark: ``peakResidentBytes`` then counts from what is resident now. False where the
  /// system does not allow it, and then the mark is the process's since it began.
  package static func resetPeak() -> Bool {
    guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
    defer { try? file.close() }
    do {
      try file.write(contentsOf: Data("5\n".utf8))
      return true
    } catch {
      return false
    }
  }

  package static var peakResidentBytes: Int? { status("VmHWM:") }
  static var residentBytes: Int? { status("VmRSS:") }

  /// Memory of the machine.
  static var physicalBytes: Int { Int(clamping: ProcessInfo.processInfo.physicalMemory) }

  private static func status(_ key: String) -> Int? {
    ProcessStatus.words(key).flatMap { $0.first }.flatMap { Int($0) }.map { $0 * 1024 }
  }
}

/// What the system says of this process, by keys: `/proc/self/status`.
enum ProcessStatus {
  /// The words behind a key; nil where there is none, or no such file.
  static func words(_ key: String) -> [Substring]? {
    let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    return text?.split(separator: "\n").first { $0.hasPrefix(key) }
      .map { $0.dropFirst(key.count).split { " \t".contains($0) } }
  }
}
