import ArgumentParser
import Attention
import Calibration
import Experiments
import Foundation
import Records

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
  @Option(help: "A shipped corpus by name, or a text file.") var corpus: String?
  @Option(help: "Where to write the calibration, as JSON.") var output: String

  func run() throws {
    let argument = try strategy.parse()
    let name = argument.entry.description.name
    guard let calibrated = CalibrationRegistry.builtIn.entry(for: name) else {
      throw Failure(
        .usage,
        "the strategy \"\(name)\" has no offline phase; \(CalibrationRegistry.builtIn.entries.map(\.strategy).joined(separator: ", ")) have"
      )
    }
    let loaded = try model.load(threads.makeWorkspace())
    var parameters = argument.parameters
    if let corpus, var members = parameters.objectValue {
      members["calibrationCorpus"] = .string(corpus)
      parameters = .object(members)
    }
    guard
      let request = try calibrated.request(
        parameters: parameters, contextLength: loaded.model.contextLength)
    else {
      throw Failure(
        .usage,
        "there is nothing to calibrate: \"\(name)\" with these parameters has all that it needs")
    }
    let layers = loaded.model.shape.layers
    let record = try OfflinePhase(
      request, of: calibrated, model: loaded,
      corpus: Corpus(named: request.corpus, folder: .currentDirectory())
    ).run(afterLayer: { Log.progress("layer \($0 + 1) of \(layers)") })
    Log.endProgress()
    let resolved = try calibrated.resolve(parameters: parameters, evidence: record.evidence)
    if let remark = try calibrated.remark(parameters: parameters, evidence: record.evidence) {
      Log.line(remark)
    }
    var members = try JSONValue(encoding: record).objectValue ?? [:]
    members["parameters"] = resolved
    if let heads = resolved["heads"] { members["heads"] = heads }
    try JSONFile.write(.object(members), to: output)
    Log.line("\(request.tokens) tokens of \(request.corpus): \(output)")
  }
}
