import ArgumentParser
import Foundation
import Records
import Reports
import ResultStore

struct ReportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Writes tables of stored experiments.",
    discussion: """
      Prints the main table, and writes each format's files into results/NAME/.
      Example: tca-lab report quickstart --format markdown,csv
      """)

  enum Format: String, CaseIterable {
    case markdown, csv
  }

  @Argument(help: "Experiments by name (default: all that are stored).") var names: [String] = []
  @OptionGroup var database: DatabaseOptions
  @Option(
    help:
      "Formats, separated by commas: \(Format.allCases.map(\.rawValue).joined(separator: ", ")).")
  var format = "markdown,csv"
  @Option(
    help: ArgumentHelp(
      "The folder to write into, of one experiment; - writes one format to stdout.",
      valueName: "dir"))
  var output: String?

  private var formats: [Format] {
    get throws {
      try format.split(separator: ",", omittingEmptySubsequences: false).map { word in
        guard let format = Format(rawValue: word.trimmingCharacters(in: .whitespaces)) else {
          throw ValidationError(
            "--format has \"\(word)\"; allowed are \(Format.allCases.map(\.rawValue).joined(separator: ", ")), separated by commas"
          )
        }
        return format
      }
    }
  }

  func validate() throws {
    let formats = try formats
    if output == "-" && formats.count != 1 {
      throw ValidationError("--output - takes one format: --format markdown or --format csv")
    }
    if output != nil && names.count != 1 {
      throw ValidationError("--output takes one experiment; \(names.count) are named")
    }
  }

  func run() throws {
    let store = try ResultStore(path: database.path, access: .reading)
    let wanted = try names.isEmpty ? store.experimentNames() : names
    guard !wanted.isEmpty else {
      throw Failure(
        .database, "\(database.path) holds no experiment; run one: tca-lab run SPEC")
    }
    for (index, name) in wanted.enumerated() {
      let analysis = ExperimentAnalysis(try store.results(of: name))
      let report = Report(of: analysis)
      if output == "-" {
        try print(report)
        return
      }
      let folder = try WrittenPath.folder(output ?? "results/\(name)")
      let files = try ReportFiles(report, formats: formats).write(to: folder)
      try Output.text((index > 0 ? "\n" : "") + TerminalTable(analysis).text)
      Log.line("written to \(folder): \(files.joined(separator: ", "))")
    }
  }

  private func print(_ report: Report) throws {
    var text = ""
    switch try formats[0] {
    case .markdown: try MarkdownRenderer().render(report, to: &text)
    case .csv: try CSVRenderer().render(report, to: &text)
    }
    try Output.text(text)
  }
}

/// A report's files in a folder.
private struct ReportFiles {
  private let files: [ReportFile]

  init(_ report: Report, formats: [ReportCommand.Format]) throws {
    files = try formats.flatMap { format in
      switch format {
      case .markdown: try MarkdownRenderer().files(of: report)
      case .csv: try CSVRenderer().files(of: report)
      }
    }
  }

  /// The names of the files that were written.
  func write(to folder: String) throws -> [String] {
    do {
      try FileManager.default.createDirectory(
        atPath: folder, withIntermediateDirectories: true)
      for file in files {
        try Data(file.text.utf8).write(
          to: URL(fileURLWithPath: folder).appendingPathComponent(file.name), options: .atomic)
      }
    } catch {
      throw Failure(
        .usage, "the report cannot be written to \"\(folder)\": \(error.localizedDescription)")
    }
    return files.map(\.name)
  }
}
