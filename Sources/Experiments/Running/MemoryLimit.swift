import Foundation
import Records

/// The most memory that a cell may take, and who says so.
public struct MemoryLimit: Sendable, Hashable, CustomStringConvertible {
  public var bytes: Int
  /// Such as "that this machine has".
  public var source: String

  public init(bytes: Int, source: String) {
    self.bytes = bytes
    self.source = source
  }

  public var description: String { "\(Self.text(bytes)) \(source)" }

  /// The machine's memory, or less where a control group of this process allows less.
  public static var ofThisProcess: MemoryLimit {
    let machine = MemoryLimit(bytes: ProcessMemory.physicalBytes, source: "that this machine has")
    return ([machine] + controlGroups).min { $0.bytes < $1.bytes } ?? machine
  }

  /// The limits of the process's group and those around it: version 2, and version 1's for memory. A
  /// container sees its own as the root.
  private static var controlGroups: [MemoryLimit] {
    let text = (try? String(contentsOfFile: "/proc/self/cgroup", encoding: .utf8)) ?? ""
    return text.split(separator: "\n").flatMap { line -> [MemoryLimit] in
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { return [] }
      let isMemory = fields[1].split(separator: ",").contains("memory")
      guard isMemory || fields[1].isEmpty else { return [] }
      let root = isMemory ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup"
      let file = isMemory ? "memory.limit_in_bytes" : "memory.max"
      return groups(from: String(fields[2])).compactMap { group in
        guard
          let text = try? String(contentsOfFile: "\(root)\(group)/\(file)", encoding: .utf8),
          let bytes = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)), bytes > 0
        else { return nil }
        return MemoryLimit(bytes: bytes, source: "that the control group \"\(group)/\" allows")
      }
    }
  }

  /// A group's path and those of the groups around it; the root is "".
  private static func groups(from path: String) -> [String] {
    let names = path.split(separator: "/")
    return (0...names.count).map { names.prefix($0).map { "/\($0)" }.joined() }
  }

  /// Such as "1.5 GB".
  public static func text(_ bytes: Int) -> String {
    bytes < 1_000_000
      ? bytes.counting("byte")
      : bytes < 1_000_000_000
        ? "\(bytes / 1_000_000) MB" : String(format: "%.1f GB", Double(bytes) / 1e9)
  }
}
