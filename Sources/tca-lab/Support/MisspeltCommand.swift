import ArgumentParser
import Records

/// A word that stands where a command is wanted, and is none.
enum MisspeltCommand {
  /// The command that was probably meant; nil where all words for commands are known, or none is near.
  ///
  /// - Parameter arguments: of the command line, without the program's name.
  static func nearest(
    in arguments: [String], below command: any ParsableCommand.Type = TCALab.self
  ) -> String? {
    let commands = command.configuration.subcommands
    guard let word = arguments.first, !word.hasPrefix("-") else { return nil }
    if let known = commands.first(where: { $0._commandName == word }) {
      return nearest(in: Array(arguments.dropFirst()), below: known)
    }
    return NearestWord.to(word, among: commands.map { $0._commandName })
  }
}
