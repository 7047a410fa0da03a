import Foundation

/// Files for readers that take a path: in memory, in a folder of this process that goes with it.
enum MemoryFolder {
  static let path: String = {
    let path = "/dev/shm/tca-lab-fuzz-\(getpid())"
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true)
    } catch {
      fatalError("\(error)")
    }
    atexit { try? FileManager.default.removeItem(atPath: MemoryFolder.path) }
    return path
  }()
}
