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
    guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else {
      return nil
    }
    for line in text.split(separator: "\n") where line.hasPrefix(key) {
      let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
      if words.count >= 2, let kibibytes = Int(words[1]) { return kibibytes * 1024 }
    }
    return nil
  }
}
