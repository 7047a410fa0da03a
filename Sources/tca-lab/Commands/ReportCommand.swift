import ArgumentParser
import Foundation
import ModelLibrary
import Records
import Reports
import ResultStore

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes tables of stored experiments.",
    discussion: """
      Prints the main table, and writes each format's files into results/NAME/: report.md with its figures, tables as CSV,
      and report.html, one page with all of it for a browser.
      Example: tca-lab report quickstart --format html

      The leaderboard of all methods goes into \(LeaderboardPage.standardPath).
      Example: tca-lab report --leaderboard
      """)

  @Argument(
    help: "Experiments by name (default: all that are stored).", completion: .experiments)
  var names: [String] = []
  @OptionGroup var database: DatabaseOptions
  @Option(
    help: "Formats, separated by commas: \(ReportCommand.known).",
    completion: .list(ReportFormats.all.map(\.name)))
  var format = ReportCommand.standardFormats
  @Option(
    help: ArgumentHelp(
      "The folder to write into, of one experiment; - writes one format's main file to stdout.",
      valueName: "dir"), completion: .directory)
  var output: String?
  @Flag(
    help:
      "One page of all methods instead, from the experiments \(Leaderboard.names.joined(separator: ", ")); --output then names its file."
  )
  var leaderboard = false

  private static let standardFormats = "markdown,csv,html"
  private static let known = ReportFormats.all.map(\.name).joined(separator: ", ")

  /// Each experiment once, however often it is named.
  private var named: [String] {
    names.reduce(into: []) { list, name in
      if !list.contains(name) { list.append(name) }
    }
  }

  private var formats: [any ReportRenderer] {
    get throws {
      try format.split(separator: ",", omittingEmptySubsequences: false).map { word in
        let word = word.trimmingCharacters(in: .whitespaces)
        guard let format = ReportFormats.all.first(where: { $0.name == word }) else {
          throw ValidationError(
            "--format has \"\(word)\"; allowed are \(Self.known), separated by commas")
        }
        return format
      }
    }
  }

  func validate() throws {
    let formats = try formats
    if leaderboard {
      guard names.isEmpty else {
        throw ValidationError("--leaderboard takes no names: it has its own experiments")
      }
      guard format == Self.standardFormats || formats.map(\.name) == ["markdown"] else {
        throw ValidationError(
          "--leaderboard is a Markdown page; --format is \"\(format)\", allowed is markdown")
      }
      return
    }
    if output == "-" && formats.count != 1 {
      throw ValidationError("--output - takes one format: --format html, for one")
    }
    if output != nil && named.count != 1 {
      throw ValidationError("--output takes one experiment; \(named.count) are named")
    }
  }

  func run() throws {
    let formats = try formats
    let store = try ResultStore(path: database.path, access: .reading)
    if leaderboard {
      let page = try LeaderboardPage(store, path: database.path)
      if output == "-" { return try Output.text(page.text) }
      let path = output ?? LeaderboardPage.standardPath
      try page.write(to: path)
      for name in page.missing { Log.line("not in the database: \"\(name)\"") }
      Log.line("written to \(path)")
      return
    }
    let wanted = try named.isEmpty ? store.experimentNames() : named
    guard !wanted.isEmpty else {
      throw Failure(
        .database, "\(database.path) holds no experiment; run one: tca-lab run SPEC")
    }
    let background = try ReportBackground.builtIn()
    for (index, name) in wanted.enumerated() {
      let report = Report(
        of: try store.results(of: name), background: background, database: database.path)
      let files = formats.flatMap { $0.files(of: report) }
      if output == "-" {
        guard let file = files.first else {
          throw Failure(.usage, "\"\(name)\" has nothing to show as \(format)")
        }
        try Output.text(file.text)
        return
      }
      let folder = try WrittenPath.folder(
        output ?? ExperimentFolder.path(in: "results", of: name))
      let written = try Self.write(files, to: folder)
      let terminal = TerminalRenderer(columns: Output.terminal.width(upTo: 100))
      try Output.rendered((index > 0 ? "\n" : "") + terminal.files(of: report)[0].text)
      Log.line("written to \(folder): \(written.joined(separator: ", "))")
    }
  }

  /// The names of the files that were written: each once, though several formats share the figures.
  private static func write(_ files: [ReportFile], to folder: String) throws -> [String] {
    var written: [String] = []
    try WrittenFile.makeFolder(folder)
    for file in files where !written.contains(file.name) {
      try WrittenFile.write(
        Data(file.text.utf8),
        to: URL(fileURLWithPath: folder).appendingPathComponent(file.name).path)
      written.append(file.name)
    }
    return written
  }
}
