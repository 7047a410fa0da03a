import Foundation
import JSON

/// JSON that a command writes to a file.
enum JSONFile {
  /// The file appears under its name when it is complete.
  static func write(_ value: JSONValue, to path: String) throws {
    do {
      try Data((value.prettyText + "\n").utf8)
        .write(to: URL(fileURLWithPath: path), options: .atomic)
    } catch {
      throw Failure(
        .modelOrFile, "\"\(path)\" cannot be written: \(error.localizedDescription)")
    }
  }
}
