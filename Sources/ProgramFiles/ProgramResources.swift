import Foundation

/// Files that the program carries: texts and the model catalogue.
///
/// SwiftPM puts them into a folder beside the program, `tca-lab_ProgramFiles.resources`. Its own `Bundle.module` ends the
/// process where that folder is missing; this throws.
package enum ProgramResources {
  /// The path of a resource, wherever the working directory is.
  package static func path(of name: String) throws(Missing) -> String {
    for folder in folders {
      let path = "\(folder)/\(name)"
      if FileManager.default.fileExists(atPath: path) { return path }
    }
    throw Missing(name: name, program: Bundle.main.bundlePath)
  }

  /// Beside the program (also beside what a link to it leads to), or `share/tca-lab` of the prefix it is installed in.
  private static let folders: [String] = {
    let beside = Bundle.main.bundlePath
    let names = (try? FileManager.default.contentsOfDirectory(atPath: beside)) ?? []
    return names.filter { $0.hasSuffix("_ProgramFiles.resources") }.sorted()
      .map { "\(beside)/\($0)" } + ["\(beside)/../share/tca-lab"]
  }()

  package struct Missing: Error, CustomStringConvertible {
    let name: String
    let program: String

    package var description: String {
      "the program's own file \"\(name)\" is missing: it belongs into the folder tca-lab_ProgramFiles.resources beside the program (looked in \(program)); copy that folder with the program, or build again"
    }
  }
}
