import Foundation
import JSON
import Records

/// JSON that a command writes to a file.
enum JSONFile {
  /// The file appears under its name when it is complete.
  static func write(_ value: JSONValue, to path: String) throws {
    try WrittenFile.write(
      Data((value.prettyText + "\n").utf8), to: try WrittenPath.file(path))
  }
}
