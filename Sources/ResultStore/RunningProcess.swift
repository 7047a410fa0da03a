import Foundation

/// A process of this machine, and of this container, as `/proc` tells it from every other one, past ones with the same
/// number included. Of other containers see ``RunLocks``.
struct RunningProcess: CustomStringConvertible {
  /// The machine's start, the process's number, and its start in ticks after the machine's.
  let description: String

  static var current: RunningProcess? {
    // Not by its own number, which is another one where `/proc` is that of the container around.
    RunningProcess(entry: "self")
  }

  /// Nil where there is no such process, or no `/proc`.
  init?(number: Int32) { self.init(entry: "\(number)") }

  private init?(entry: String) {
    guard
      let boot = try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8),
      let line = try? String(contentsOfFile: "/proc/\(entry)/stat", encoding: .utf8),
      // The name, in brackets, may hold anything; the start is the 20th word behind it.
      let name = line.lastIndex(of: ")"), let number = line.split(separator: " ").first
    else { return nil }
    let words = line[name...].split(separator: " ")
    // What has ended and nobody has asked for yet is still listed, as a zombie.
    guard words.count > 20, !["Z", "X"].contains(words[1]) else { return nil }
    description = "\(boot.trimmingCharacters(in: .whitespacesAndNewlines)) \(number) \(words[20])"
  }

  /// The number in a description; nil where it is none.
  static func number(in description: String) -> Int32? {
    let words = description.split(separator: " ")
    return words.count == 3 ? Int32(words[1]) : nil
  }

  /// Whether the process that was described so is running, and can be seen from here.
  static func isRunning(_ description: String) -> Bool {
    number(in: description).flatMap(RunningProcess.init(number:))?.description == description
  }
}
