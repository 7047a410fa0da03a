import Foundation
import JSON
import LabTestSupport
import Records
import ResultStore
import Testing

/// The built program and a folder to use it in: a tiny model `model.gguf` of 4,096 tokens, English prose in `novel.txt`
/// (some 20,000 tokens), too little of it in `short.txt`.
final class Lab {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tca-lab-command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent("cache"), withIntermediateDirectories: true)
    try TinyModel().write(to: path("model.gguf"))
    let novel = try String(
      contentsOf: Self.corpora.appendingPathComponent("persuasion.txt"), encoding: .utf8)
    try write(String(novel.prefix(40_000)), to: "novel.txt")
    try write(String(novel.prefix(150)), to: "short.txt")
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  /// Beside the test bundle, where SwiftPM puts programs.
  static let program = Bundle.main.bundleURL.appendingPathComponent("tca-lab")

  private static let corpora = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Sources/ProgramFiles/corpora")

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  func write(_ text: String, to name: String) throws {
    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
  }

  func read(_ name: String) throws -> String {
    try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
  }

  // MARK: Specs

  static let streaming = #"{"name": "streaming-llm", "sinks": 4, "localWindow": 32}"#
  static let tca =
    #"{"name": "tca", "criterion": "meanMass", "threshold": 0.7, "blockSize": 16, "localWindow": 32, "calibrationCorpus": "novel.txt", "calibrationLength": 256}"#
  static let matching = #"{"name": "streaming-llm", "budget": {"matching": "tca"}}"#

  /// Writes `spec.json`; `rest` begins with a comma.
  func writeSpec(
    contexts: String = "128", strategies: [String] = [streaming, tca, matching],
    tasks: [String] = [
      #"{"name": "perplexity", "corpus": "novel.txt", "protocol": ["prefill", "continuation"], "decodeTokens": 4}"#
    ], model: String = "model.gguf", rest: String = ""
  ) throws {
    try write(
      """
      {"schemaVersion": 1, "name": "tiny", "models": [{"name": "tiny", "path": "\(model)"}],
      "contextLengths": [\(contexts)], "strategies": [\(strategies.joined(separator: ", "))],
      "tasks": [\(tasks.joined(separator: ", "))], "warmups": 0, "repeats": 2, "seed": 3, "threads": 2\(rest)}
      """, to: "spec.json")
  }

  // MARK: Running the program

  struct Result {
    var status: Int32
    var out: String
    var err: String

    func json() throws -> JSONValue { try JSONValue(parsing: out) }
  }

  /// A program at work.
  final class Running {
    private let process: Process
    private let out: URL
    private let err: URL

    fileprivate init(_ process: Process, out: URL, err: URL) {
      self.process = process
      self.out = out
      self.err = err
    }

    /// What it has written to stderr so far.
    var log: String { (try? String(contentsOf: err, encoding: .utf8)) ?? "" }

    /// Waits for a text in the log; false if the program ends without it.
    func waitForLog(_ text: String) -> Bool {
      while process.isRunning {
        if log.contains(text) { return true }
        usleep(2_000)
      }
      return log.contains(text)
    }

    var isRunning: Bool { process.isRunning }

    func send(_ signal: Int32) { kill(process.processIdentifier, signal) }

    /// The end: the exit code, or 128 + the signal that killed it.
    func wait() throws -> Result {
      process.waitUntilExit()
      let status = process.terminationStatus
      return Result(
        status: process.terminationReason == .exit ? status : 128 + status,
        out: try String(contentsOf: out, encoding: .utf8), err: log)
    }
  }

  /// Starts the program in the folder, with an empty model cache.
  ///
  /// - Parameters:
  ///   - home: in place of `HOME`.
  ///   - path: in place of `PATH`.
  ///   - inContainer: with process numbers of its own, see ``canStartContainers``.
  func start(
    _ arguments: [String], home: String? = nil, path: String? = nil, inContainer: Bool = false
  ) throws -> Running {
    let process = Process()
    process.executableURL = inContainer ? Self.container : Self.program
    process.arguments =
      (inContainer ? Self.containerArguments + [Self.program.path] : []) + arguments
    process.currentDirectoryURL = folder
    var environment = ProcessInfo.processInfo.environment
    environment["XDG_CACHE_HOME"] = self.path("cache")
    // Processes of other tests are none of this one's.
    environment["TMPDIR"] = folder.path
    if let home { environment["HOME"] = home }
    if let path { environment["PATH"] = path }
    process.environment = environment
    process.standardInput = FileHandle.nullDevice
    // Files, not pipes: nothing waits until somebody reads.
    let streams = ["out", "err"].map { folder.appendingPathComponent("\(UUID().uuidString).\($0)") }
    for stream in streams { try Data().write(to: stream) }
    process.standardOutput = try FileHandle(forWritingTo: streams[0])
    process.standardError = try FileHandle(forWritingTo: streams[1])
    try process.run()
    return Running(process, out: streams[0], err: streams[1])
  }

  /// Whether this user may start processes in a PID namespace of their own.
  static let canStartContainers: Bool = {
    let process = Process()
    process.executableURL = container
    process.arguments = containerArguments + ["true"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }()

  private static let container = URL(fileURLWithPath: "/usr/bin/unshare")
  private static let containerArguments = ["--pid", "--fork", "--kill-child", "--mount-proc", "--"]

  func run(_ arguments: String...) throws -> Result { try start(arguments).wait() }

  // MARK: Databases

  func results(_ database: String) throws -> ExperimentResults {
    try ResultStore(path: path(database), access: .reading).results(of: "tiny")
  }

  func runs(_ database: String) throws -> [StoredRun] {
    try ResultStore(path: path(database), access: .reading).storedRuns()
  }

  /// Everything that must come out the same however often a run is killed.
  func reproducible(_ database: String) throws -> [ComparisonRow] {
    try results(database).rows.map { row in
      var row = row
      row.figures = row.figures.filter { column, _ in
        !["time", "tokens_per_second", "workspace", "peak"].contains {
          column.rawValue.contains($0)
        }
      }
      row.kinds = row.kinds.mapValues { _ in 0 }
      return row
    }
  }
}
