import ArgumentParser
import Experiments

struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate", abstract: "Checks a spec and says all that is wrong with it.",
    discussion: "Example: tca-lab validate experiments/quickstart.json")

  @Argument(help: "The spec, a JSON file.") var spec: String

  func run() throws {
    let file = try SpecFile(path: spec)
    let missing = file.checked.missingModels
    try Output.text("\(spec): the spec is right, \(ExperimentPlan(file.checked).cells.count) cells")
    for model in missing {
      Log.line("note: the model \"\(model.name)\" cannot be loaded; no cell is planned for it")
    }
    if !missing.isEmpty { try file.requireModels() }
  }
}
