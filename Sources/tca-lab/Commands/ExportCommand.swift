import ArgumentParser
import Reports
import ResultStore

struct ExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Writes an experiment's data with a Jupyter notebook that draws it.",
    discussion: """
      CSV files, what each column means (README.md, dictionary.json), and notebook.ipynb for pandas and matplotlib.
      Example: tca-lab export quickstart
      """)

  @Argument(help: "An experiment by its name.", completion: .experiments) var name: String
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: ArgumentHelp(
      "The folder to write into (default: notebooks-export/NAME).", valueName: "dir"),
    completion: .directory)
  var output: String?
  @Flag(help: "Replace files there that this command did not write, or that were changed since.")
  var overwrite = false

  func run() throws {
    let store = try ResultStore(path: database.path, access: .reading)
    let export = ExperimentExport(
      Report(of: try store.results(of: name), background: try .builtIn()))
    let folder = try ExportFolder(
      output ?? ExperimentFolder.path(in: "notebooks-export", of: name))
    let files = export.files
    try folder.write(files, of: name, overwrites: overwrite)
    try Output.text(files.map { "\(folder.path)/\($0.name)" }.joined(separator: "\n"))
    let notebook = "\(folder.path)/\(ExperimentExport.notebookName)"
    Log.line("written to \(folder.path); draw it: jupyter notebook \(notebook.shellWord)")
  }
}
