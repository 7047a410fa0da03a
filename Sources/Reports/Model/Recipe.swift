import JSON
import Records

/// What it takes to make a report again.
public struct Recipe: Sendable, Hashable {
  /// The file's name that the commands use for the spec.
  public var specName: String
  /// The spec's text, as it was run.
  public var spec: String
  /// What to type into a shell, in a checkout of the program's source; comments begin with `#`.
  public var commands: [String]
}

extension ExperimentAnalysis {
  /// From the commit that was measured to the page.
  var recipe: Recipe {
    let experiment = results.experiment
    let specName = "experiments/\(experiment.name).json"
    let lab = ".build/release/tca-lab"
    return Recipe(
      specName: specName, spec: experiment.spec,
      commands: checkout + ["swift build -c release --product tca-lab"] + models(of: lab) + [
        "# the spec, as it stands above; relative paths in it start at its folder",
        "# plan says how long it takes on this machine, and what memory",
        "\(lab) plan \(ShellWord.quoted(specName))", "\(lab) run \(ShellWord.quoted(specName))",
        "\(lab) report \(ShellWord.quoted(experiment.name)) --format html",
      ])
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
