import ArgumentParser
import Attention
import Calibration
import Experiments
import Foundation
import JSON
import Records
import Tasks

struct CalibrateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "calibrate",
    abstract: "Runs a strategy's offline phase alone and writes what it found.",
    discussion: """
      Example: tca-lab calibrate --model smollm2-135m-instruct --corpus emma --output emma.json \\
        --strategy '{"name": "tca", "blockSize": 128, "localWindow": 256}'

      The file holds the evidence and the parameters with the choice in them (`heads`, `thresholds`), which a spec or
      --strategy can use.
      """)

  @OptionGroup var model: ModelOptions
  @OptionGroup var strategy: StrategyOptions
  @OptionGroup var threads: ThreadOptions
  @Option(
    help: "A shipped corpus by name, or a text file (default: the strategy's calibrationCorpus).",
    completion: .texts) var corpus: String?
  @Option(help: "Where to write the calibration, as JSON.", completion: .specs) var output: String

  func run() throws {
    var configured = try strategy.parse(cache: .f32).configured
    let name = configured.name
    if let corpus, var members = configured.parameters.objectValue {
      members["calibrationCorpus"] = .string(corpus)
      configured = try StrategyListing.entry(named: name).configure(.object(members))
    }
    guard configured.strategy is any CalibratedStrategy else {
      let calibrated = StrategyRegistry.builtIn.entries.compactMap { try? $0.configure([:]) }
        .filter { $0.strategy is any CalibratedStrategy }.map(\.name)
      throw Failure(
        .usage,
        "the strategy \"\(name)\" has no offline phase; name one that has with --strategy: \(calibrated.joined(separator: ", "))"
      )
    }
    if let corpus { try Self.requireText(corpus) }
    try WrittenFile.requireWritable(try WrittenPath.file(output))
    let loaded = try model.load(threads.makeWorkspace())
    let contextLength = loaded.model.contextLength
    try configured.assumingCalibrated(for: loaded.model.shape, contextLength: contextLength)
      .check(promptTokens: contextLength, shape: loaded.model.shape)
    let layers = loaded.model.shape.layers
    var found: (request: CalibrationRequest, record: CalibrationRecord)?
    let calibrated = try configured.calibrated(
      sized: configured.forPrompt(of: contextLength, shape: loaded.model.shape),
      contextLength: contextLength
    ) { calibrated, request in
      let record = try OfflinePhase(
        request, of: calibrated, model: loaded,
        corpus: Corpus(named: request.corpus, folder: .currentDirectory())
      ).run(afterLayer: { Log.progress("layer \($0 + 1) of \(layers)") })
      found = (request, record)
      return record.evidence
    } remark: {
      Log.line($0)
    }
    Log.endProgress()
    guard let (request, record) = found else {
      throw Failure(
        .usage,
        "there is nothing to calibrate: \"\(name)\" with these parameters has all that it needs")
    }
    let resolved = calibrated.parameters
    var members = try JSONValue(encoding: record).objectValue ?? [:]
    members["parameters"] = resolved
    if let heads = resolved["heads"] { members["heads"] = heads }
    try JSONFile.write(.object(members), to: output)
    Log.line("\(request.tokens.counting("token")) of \(request.corpus): \(output)")
  }

  /// For before the work: throws a failure with the texts that there are, and the nearest of them, for one that cannot be
  /// read.
  private static func requireText(_ name: String) throws {
    do {
      _ = try Corpus(named: name, folder: .currentDirectory())
    } catch {
      let near = NearestWord.to(name, among: Corpus.shippedNames)
      throw Failure(
        .modelOrFile,
        "--corpus: \(error); allowed: \(Corpus.shippedNames.joined(separator: ", ")), or the path of a text file"
          + (near.map { "; did you mean \"\($0)\"?" } ?? ""))
    }
  }
}
