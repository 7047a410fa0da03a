import Foundation
import JSON
import Records

/// JSON that a command writes to a file.
enum JSONFile {
  /// The file appears under its name when it is complete.
  static func write(_ value: JSONValue, to path: String) throws {
    let path = try WrittenPath.file(path)
    do {
      try Data((value.prettyText + "\n").utf8)
        .write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Failure(
        .modelOrFile, "\"\(path)\" cannot be written: \(error.localizedDescription)")
    }
  }
}
