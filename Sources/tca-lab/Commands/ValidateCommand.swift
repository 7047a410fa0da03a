import ArgumentParser
import Planning
import Records

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate", abstract: "Checks a spec and says what is wrong with it.",
    discussion: "Example: tca-lab validate experiments/quickstart.json")

  @Argument(help: "The spec, a JSON file.", completion: .specs) var spec: String

  func run() throws {
    let file = try SpecFile(path: spec)
    // A model that cannot be loaded is no fault of the spec, but without it no cell can be counted.
    try file.requireModels()
    ThreadOptions.warn(ofThreads: file.checked.spec.threads)
    let count = ExperimentPlan(file.checked).cells.count
    try Output.text("\(spec): the spec is right, \(count.counting("cell"))")
  }
}
