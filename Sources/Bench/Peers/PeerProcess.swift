import Foundation

/// Another program, run to its end.
struct PeerProcess {
  let path: String
  let arguments: [String]
  /// Given to it on stdin.
  var input = ""
  /// Added to this program's environment.
  var environment: [String: String] = [:]

  /// What it wrote to stdout, and after that to stderr where wanted. Throws where it cannot be started or fails, with the
  /// end of what it said.
  func output(withErrors: Bool = false) throws(PeerError) -> String {
    do { return try run(withErrors: withErrors) } catch let error as PeerError { throw error } catch
    {
      throw PeerError("\(path) cannot be run: \(error.localizedDescription)")
    }
  }

  private func run(withErrors: Bool) throws -> String {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-peer-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Files, not pipes: nothing waits until somebody reads.
    let files = ["in", "out", "err"].map(folder.appendingPathComponent)
    try Data(input.utf8).write(to: files[0])
    for file in files[1...] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    guard FileManager.default.isExecutableFile(atPath: path) else {
      throw PeerError(
        "\(path) is no program that can be run; scripts/peers builds and installs the peers")
    }
    try process.run()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      let said = String(decoding: try Data(contentsOf: files[2]), as: UTF8.self)
      let how =
        process.terminationReason == .exit
        ? "ended with code \(process.terminationStatus)"
        : "was ended by signal \(process.terminationStatus)"
      throw PeerError("\(path) \(how)\(Self.lastLine(of: said).map { ": \($0)" } ?? "")")
    }
    return try files[1...(withErrors ? 2 : 1)]
      .map { String(decoding: try Data(contentsOf: $0), as: UTF8.self) }.joined()
  }

  /// The last line with anything in it, at most 300 characters of it.
  static func lastLine(of text: String) -> String? {
    text.split(whereSeparator: \.isNewline).last { !$0.allSatisfy(\.isWhitespace) }
      .map { String($0.prefix(300)) }
  }
}
