import Foundation

/// A process of this machine as `/proc` tells it from every other one, past ones with the same number included.
struct RunningProcess: CustomStringConvertible {
  /// The machine's start, the process's number, and its start in ticks after the machine's.
  let description: String

  static var current: RunningProcess? {
    RunningProcess(number: ProcessInfo.processInfo.processIdentifier)
  }

  /// Nil where there is no such process, or no `/proc`.
  init?(number: Int32) {
    guard
      let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8),
      let line = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8),
      // The name, in brackets, may hold anything; the start is the 20th word behind it.
      let name = line.lastIndex(of: ")")
    else { return nil }
    let words = line[name...].split(separator: " ")
    // What has ended and nobody has asked for yet is still listed, as a zombie.
    guard words.count > 20, !["Z", "X"].contains(words[1]) else { return nil }
    description = "\(boot.trimmingCharacters(in: .whitespacesAndNewlines)) \(number) \(words[20])"
  }

  /// The number of the process that was described so, if it is running on this machine.
  static func number(of description: String) -> Int32? {
    let words = description.split(separator: " ")
    guard words.count == 3, let number = Int32(words[1]),
      RunningProcess(number: number)?.description == description
    else { return nil }
    return number
  }
}
