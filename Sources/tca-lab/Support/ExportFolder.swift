import Digests
import Foundation
import JSON
import Records
import Reports

/// A folder that an export is written into. What the program wrote there it knows again by its digest, and replaces;
/// what somebody else put there, or changed since, it leaves alone.
struct ExportFolder {
  /// Holds the digests: `{"experiment": NAME, "files": {FILE: SHA-256}}`.
  static let manifestName = "export.json"

  let path: String

  init(_ written: String) throws { path = try WrittenPath.folder(written) }

  private func url(_ name: String) -> URL {
    URL(fileURLWithPath: path).appendingPathComponent(name)
  }

  /// The digest of each file that an earlier export left, by its name; empty where there was none.
  private var earlier: (experiment: String?, digests: [String: String]) {
    let file = url(Self.manifestName)
    guard WrittenPath.isRegularFile(file.path), let data = try? Data(contentsOf: file),
      let manifest = try? JSONValue(parsing: Array(data))
    else { return (nil, [:]) }
    return (
      manifest["experiment"]?.stringValue,
      (manifest["files"]?.objectValue ?? [:]).compactMapValues(\.stringValue)
    )
  }

  /// Writes the files and the manifest; files of an earlier export that there are no more go.
  ///
  /// - Parameter overwrites: whatever is in the way.
  /// - Throws: a failure that names what is in the way; then nothing was written. A `WrittenFileError` where the disk does
  ///   not take the files.
  func write(_ files: [ReportFile], of experiment: String, overwrites: Bool) throws {
    let (owner, digests) = earlier
    if !overwrites {
      if let owner, owner != experiment {
        throw Failure(
          .usage,
          "\"\(path)\" holds the export of \"\(owner)\"; name another folder with --output, or replace it with --overwrite"
        )
      }
      var foreign = files.filter { isForeign($0, digests[$0.name]) }.map(\.name)
      // A manifest of ours names its experiment.
      if owner == nil, FileManager.default.fileExists(atPath: url(Self.manifestName).path) {
        foreign.append(Self.manifestName)
      }
      guard foreign.isEmpty else {
        throw Failure(
          .usage,
          "\"\(path)\" holds files that this command did not write, or that were changed since: \(foreign.joined(separator: ", ")); name another folder with --output, or replace them with --overwrite"
        )
      }
    }
    try WrittenFile.makeFolder(path)
    for file in files { try WrittenFile.write(Data(file.text.utf8), to: url(file.name).path) }
    let written = Dictionary(
      files.map { ($0.name, SHA256Digest.of($0.text)) }, uniquingKeysWith: { $1 })
    for (name, digest) in digests where written[name] == nil && Self.isPlain(name) {
      if digest == self.digest(of: name) { try WrittenFile.remove(url(name).path) }
    }
    let manifest: JSONValue = [
      "experiment": .string(experiment), "files": .object(written.mapValues(JSONValue.string)),
    ]
    try WrittenFile.write(
      Data((manifest.prettyText + "\n").utf8), to: url(Self.manifestName).path)
  }

  /// There, and neither what was left there nor what is to be written.
  private func isForeign(_ file: ReportFile, _ left: String?) -> Bool {
    guard FileManager.default.fileExists(atPath: url(file.name).path) else { return false }
    guard let digest = digest(of: file.name) else { return true }
    return digest != left && digest != SHA256Digest.of(file.text)
  }

  /// Nil for what is no file that can be read.
  private func digest(of name: String) -> String? {
    let file = url(name).path
    guard WrittenPath.isRegularFile(file) else { return nil }
    return try? SHA256Digest.ofFile(at: file)
  }

  /// A manifest that was tampered with leads nowhere else.
  private static func isPlain(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".." && !name.contains("/")
  }
}
