import Foundation
import Kernels

/// What the cores that this process may use have done so far, and how much of it was this process.
struct MachineLoad {
  private let busyTicks: Int
  private let ownTicks: Int
  private let cores: Int
  private let time = ContinuousClock.now

  /// Nil where there is no `/proc`.
  init?() {
    guard let own = Self.ownTicks, let allowed = Self.allowedCores,
      let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8)
    else { return nil }
    ownTicks = own
    var busy = 0
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words[0].hasPrefix("cpu"), let core = Int(words[0].dropFirst(3)),
        allowed.contains(core)
      else { continue }
      // user nice system idle iowait irq softirq steal; what a hypervisor took is lost all the same.
      let ticks = words.dropFirst().prefix(8).compactMap { Int($0) }
      busy += ticks.enumerated().reduce(0) { [3, 4].contains($1.offset) ? $0 : $0 + $1.element }
    }
    busyTicks = busy
    cores = allowed.count
  }

  /// The share of the cores' time since then that others took; nil for times too short to tell.
  var othersShare: Double? {
    guard let now = MachineLoad() else { return nil }
    let passed = (now.time - time).seconds * Double(cores)
    let others = Double(now.busyTicks - busyTicks - (now.ownTicks - ownTicks)) / Self.ticksPerSecond
    return passed >= Self.shortest ? min(1, max(0, others / passed)) : nil
  }

  /// Ticks are 10 ms long, and those of a core are cut off twice.
  private static let shortest = 0.5
  private static let ticksPerSecond = Double(sysconf(Int32(_SC_CLK_TCK)))

  private static var ownTicks: Int? {
    guard let line = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
      let name = line.lastIndex(of: ")")
    else { return nil }
    let words = line[name...].split(separator: " ")
    guard words.count > 13, let user = Int(words[12]), let system = Int(words[13])
    else { return nil }
    return user + system
  }

  /// `0-3,8` in `/proc/self/status`.
  private static var allowedCores: Set<Int>? {
    guard let ranges = ProcessStatus.words("Cpus_allowed_list:")?.first?.split(separator: ",")
    else { return nil }
    return ranges.reduce(into: Set<Int>()) { cores, range in
      let ends = range.split(separator: "-").compactMap { Int($0) }
      if let first = ends.first, let last = ends.last, first <= last {
        cores.formUnion(first...last)
      }
    }
  }
}
