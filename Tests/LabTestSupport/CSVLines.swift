import Foundation

/// Tables that reports leave beside them, as a reader of the files has them.
public enum CSVLines {
  /// A line by the names of its columns; fields may be quoted and hold line breaks (RFC 4180).
  public static func parse(_ text: String) -> [[String: String]] {
    var lines: [[String]] = [[]]
    var field = String.UnicodeScalarView()
    var isQuoted = false
    var closed = false
    func end(_ field: inout String.UnicodeScalarView, in lines: inout [[String]]) {
      lines[lines.count - 1].append(String(field))
      field = String.UnicodeScalarView()
    }
    for scalar in text.unicodeScalars {
      if scalar == "\"" {
        // The second of a doubled mark opens the field again, and stands for one.
        if closed { field.append(scalar) }
        closed = isQuoted
        isQuoted.toggle()
        continue
      }
      closed = false
      switch scalar {
      case "," where !isQuoted: end(&field, in: &lines)
      case "\n" where !isQuoted:
        end(&field, in: &lines)
        lines.append([])
      default: field.append(scalar)
      }
    }
    if !field.isEmpty || lines[lines.count - 1].count > 0 { end(&field, in: &lines) }
    guard let header = lines.first else { return [] }
    return lines.dropFirst().filter { !$0.isEmpty }.map {
      Dictionary(zip(header, $0), uniquingKeysWith: { first, _ in first })
    }
  }

  /// `NAME.csv` of a folder, or what `NAME.csv.gz` holds; nil where there is neither.
  public static func read(_ name: String, in folder: URL) throws -> [[String: String]]? {
    let plain = folder.appendingPathComponent("\(name).csv")
    if let text = try? String(contentsOf: plain, encoding: .utf8) { return parse(text) }
    let packed = plain.appendingPathExtension("gz")
    guard FileManager.default.fileExists(atPath: packed.path) else { return nil }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["gzip", "-dc", packed.path]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.fileReadCorruptFile) }
    return parse(String(decoding: bytes, as: UTF8.self))
  }
}
