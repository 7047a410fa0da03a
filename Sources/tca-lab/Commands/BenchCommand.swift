import ArgumentParser
import Bench
import Experiments
import Foundation
import Kernels
import Planning
import Records
import Reports
import Tasks

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract:
      "Measures the machine, the kernels and the engine, beside peers where they are given.",
    discussion: """
      Example: tca-lab bench --only prefill-512 decode-0 --against llama.cpp=peers/llama-bench

      Prints a row for each figure with what it is held against, their ratio, the target and a verdict: "met"; "short"; "no
      peer" where what it is to be held against was not measured. Run it on a machine that does nothing else: all rows
      take some 3 minutes on two cores, with all peers some 20. scripts/peers builds and installs the peers.

      Rows: \(BenchRowName.allCases.map(\.rawValue).joined(separator: ", ")).
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Rows to measure (default: all).", valueName: "row"),
    completion: .list(BenchRowName.allCases.map(\.rawValue)))
  var only: [String] = []
  @Option(
    help: ArgumentHelp(
      "A peer: llama.cpp=PATH of llama-bench, or pytorch=PATH of a Python with PyTorch.",
      valueName: "name=path"))
  var against: [String] = []
  @Option(
    help: ArgumentHelp(
      "A model of the catalogue, or the path of a GGUF file.", valueName: "name or path"),
    completion: .models)
  var model = "smollm2-135m-instruct"
  @OptionGroup var threads: ThreadOptions
  @Option(help: "Measured repetitions of each pass.") var repeats = 3
  @Option(
    help: ArgumentHelp(
      "A JSON file of ratios that must hold, such as Benchmarks/thresholds.json; the exit code is 1 where one does not.",
      valueName: "file"), completion: .specs)
  var check: String?
  @Option(
    help: ArgumentHelp("Also write the run as a Markdown page.", valueName: "file"),
    completion: .file(extensions: ["md"]))
  var report: String?
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    guard 1...100 ~= repeats else {
      throw ValidationError("--repeats is \"\(repeats)\"; allowed is 1 to 100")
    }
    _ = try rows()
    _ = try peers()
  }

  func run() throws {
    let thresholds = try check.map { file in
      do {
        return try RatioThresholds(parsing: TextFile.text(at: file), file: file)
      } catch let error as ThresholdError {
        throw Failure(.modelOrFile, "\(error)")
      }
    }
    let loaded = try ModelOptions.load(model, threads.makeWorkspace())
    let rows = try rows(of: loaded)
    let bench = BenchRun(
      model: loaded, rows: rows, peers: try peers(), repeats: repeats,
      environment: try .commandLine, report: Self.tell)
    let provenance = try provenance(of: loaded, bench)
    if let warning = provenance.ceilingWarning { Log.line("warning: \(warning)") }
    for (name, value) in provenance.lines { Log.line("\(name): \(value)") }
    let result = BenchResult(rows: try bench.run(), provenance: provenance)
    try print(result)
    if let report { try write(BenchReport(result).markdown, to: report) }
    if let thresholds { try hold(result.rows, to: thresholds) }
  }

  // MARK: Arguments

  private func rows() throws -> Set<BenchRowName> {
    guard !only.isEmpty else { return Set(BenchRowName.allCases) }
    let known = BenchRowName.allCases.map(\.rawValue)
    return try Set(
      only.flatMap { $0.split(separator: ",").map(String.init) }.map { word in
        if let name = BenchRowName(rawValue: word) { return name }
        let guess = NearestWord.to(word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
        throw ValidationError(
          "--only names \"\(word)\"\(guess) Rows: \(known.joined(separator: ", "))")
      })
  }

  /// Those that were asked for; throws where one needs a longer context than the model has.
  private func rows(of loaded: LoadedModel) throws -> Set<BenchRowName> {
    let rows = try rows()
    let limit = loaded.model.contextLength
    let beyond = BenchRowName.allCases.filter { rows.contains($0) && $0.contextLength > limit }
    guard beyond.isEmpty else {
      throw Failure(
        .usage,
        "\(beyond.map(\.rawValue).joined(separator: ", ")): \"\(beyond[0].contextLength)\" tokens are beyond the model's context; allowed is at most \(limit); name other rows with --only"
      )
    }
    return rows
  }

  private func peers() throws -> [PeerArgument] {
    try against.map { text in
      do { return try PeerArgument(text) } catch { throw ValidationError("\(error)") }
    }
  }

  // MARK: Results

  private func provenance(of loaded: LoadedModel, _ bench: BenchRun) throws -> BenchProvenance {
    BenchProvenance(
      program: .collect(sourceState: builtSourceState, threads: threads.count),
      blasCore: BLAS.coreName,
      environment: BenchProvenance.relevant(ProcessInfo.processInfo.environment),
      model: model, modelDigest: try loaded.digest, peers: bench.peerVersions, repeats: repeats,
      date: Date.now.formatted(.iso8601),
      command: (["tca-lab"] + CommandLine.arguments.dropFirst()).joined(separator: " "))
  }

  private func print(_ result: BenchResult) throws {
    if json {
      try Output.prettyJSON(result.jsonValue)
    } else {
      try Output.text(
        TextTable(
          header: BenchTable.header, rows: BenchTable(result.rows).cells,
          rightAligned: BenchTable.rightAligned
        ).text)
    }
    for problem in Set(result.rows.flatMap { $0.references.compactMap(\.problem) }).sorted() {
      Log.line("not measured: \(problem)")
    }
  }

  private func write(_ text: String, to path: String) throws {
    let path = try WrittenPath.file(path)
    try WrittenFile.makeFolder(URL(fileURLWithPath: path).deletingLastPathComponent().path)
    try WrittenFile.write(Data(text.utf8), to: path)
  }

  private func hold(_ rows: [BenchRow], to thresholds: RatioThresholds) throws {
    let outcome = thresholds.check(rows)
    for missing in outcome.unmeasured { Log.line("not checked, since not measured: \(missing)") }
    let fallen = outcome.fallen.count
    Log.line(
      "\(outcome.checked.counting("ratio")) checked, \(fallen) \(fallen == 1 ? "does" : "do") not hold"
    )
    guard outcome.checked > 0 else {
      throw Failure(
        .usage,
        "none of the thresholds' ratios was measured, so nothing was checked; name what to measure with --only, and peers with --against"
      )
    }
    guard outcome.fallen.isEmpty else {
      throw Failure(.someCellFailed, outcome.fallen.joined(separator: "\n"))
    }
  }

  /// A line for each step: in a log file too, since a bench is silent for minutes otherwise.
  private static func tell(_ what: String) { Log.line(what) }
}
