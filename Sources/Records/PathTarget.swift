import Foundation

/// What stands where a path leads, symbolic links followed: the same for every command that reads.
public enum PathTarget: Sendable, Hashable {
  /// Anything but a folder: a pipe or a device too.
  case file
  case folder
  case nothing
  /// The system does not say, for this reason: `Permission denied`.
  case hidden(String)

  public init(of path: String) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      self = isFolder.boolValue ? .folder : .file
      return
    }
    // Foundation takes what it may not look at for something that is not there.
    let code = access(path, F_OK) == 0 ? ENOENT : errno
    self = [ENOENT, ENOTDIR].contains(code) ? .nothing : .hidden(String(cString: strerror(code)))
  }
}
