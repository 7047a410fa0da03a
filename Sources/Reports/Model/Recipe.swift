import JSON
import Records

/// What it takes to make a report again.
public struct Recipe: Sendable, Hashable {
  /// The name of the file that the commands want the spec in: the report knows its text, and not where it was.
  public var specName: String
  /// The spec's text, as it was run.
  public var spec: String
  /// What to type into a shell, in a checkout of the program's source; comments begin with `#`.
  public var commands: [String]
}

extension ExperimentAnalysis {
  /// From the commit that was measured to the page.
  ///
  /// - Parameter database: the path of the file that the results are from. Folders of this machine help nobody else, so the
  ///   commands write into a file of its name where they are given.
  func recipe(_ database: String) -> Recipe {
    let experiment = results.experiment
    let specName = Self.fileName(experiment.name) + ".json"
    let lab = ".build/release/tca-lab"
    let spec = ShellWord.argument(specName)
    let file = ShellWord.argument(Self.fileName(database))
    return Recipe(
      specName: specName, spec: experiment.spec,
      commands: checkout + ["swift build -c release --product tca-lab"] + models(of: lab) + [
        "# save the spec above as \(specName.onOneLine) in this folder; relative paths in it start there",
        "# plan says how long it takes on this machine, and what memory",
        "\(lab) plan \(spec) --db \(file)", "\(lab) run \(spec) --db \(file)",
        "\(lab) report \(ShellWord.quoted(experiment.name)) --db \(file) --format html",
      ])
  }

  /// What stands behind the last stroke.
  private static func fileName(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? path
  }

  /// To the source that was measured, where a commit says what it was.
  private var checkout: [String] {
    // The newest last.
    let states = runsBehind.map(\.provenance.sourceState).uniqued
    func isCommit(_ state: String) -> Bool {
      !state.isEmpty && state.unicodeScalars.allSatisfy(\.properties.isASCIIHexDigit)
    }
    let newest = states.last(where: isCommit)
    return states.filter { $0 != newest }.map { state in
      isCommit(state)
        ? "# some figures were measured at \(state)"
        : "# measured with a source that is no commit: \(state.onOneLine)"
    } + (newest.map { ["git checkout \($0)"] } ?? [])
  }

  /// Those of the catalogue are fetched; files have to be what they were.
  private func models(of lab: String) -> [String] {
    let written = (try? JSONValue(parsing: results.experiment.spec))?["models"]?.arrayValue ?? []
    return written.compactMap { model in
      let name = model.stringValue ?? model["name"]?.stringValue ?? ""
      if let path = model["path"]?.stringValue {
        let digest = rows.first { $0.cell.model == name }?.cell.modelDigest
        return "# \(name) is the file \(path)\(digest.map { ", SHA-256 \($0)" } ?? "")".onOneLine
      }
      guard model["synthetic"] == nil, !name.isEmpty else { return nil }
      return "\(lab) models pull \(ShellWord.quoted(name))"
    }
  }
}

/// A text as one word of a POSIX shell, whatever is in it.
enum ShellWord {
  /// The same where a program would take a word that begins with a hyphen for an option: a file in this folder.
  static func argument(_ text: String) -> String {
    quoted(text.hasPrefix("-") ? "./" + text : text)
  }

  static func quoted(_ text: String) -> String {
    let isPlain =
      !text.isEmpty
      && text.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil)
          || "-_./=:".unicodeScalars.contains($0)
      }
    return isPlain ? text : "'" + text.replacingScalars { $0 == "'" ? "'\\''" : nil } + "'"
  }
}
