import ArgumentParser
import Attention
import Foundation
import ModelLibrary
import Planning
import ResultStore
import Tasks

/// What a shell offers for a word of the command line. Nothing here fails: where there is no database or catalogue,
/// nothing is offered.
extension CompletionKind {
  /// Words that a shell makes. The script for bash expands what is offered, so that a name from a database or a folder
  /// could be a command: what is not plain is not offered.
  private static func plain(_ words: @escaping @Sendable ([String], String) -> [String])
    -> CompletionKind
  {
    .custom { line, _, word in words(line, word).filter { isPlain($0) } }
  }

  /// - Parameter also: characters that mean nothing where bash expands what is offered.
  private static func isPlain(_ text: String, also: String = "") -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.properties.isAlphabetic || $0.properties.numericType != nil
        || "-_./+,:@=".unicodeScalars.contains($0) || also.unicodeScalars.contains($0)
    }
  }

  static var strategies: CompletionKind {
    plain { _, _ in StrategyRegistry.builtIn.descriptions.map(\.name) }
  }

  static var catalogueModels: CompletionKind { plain { _, _ in catalogueNames } }

  /// Names of the catalogue, and GGUF files.
  static var models: CompletionKind {
    plain { _, word in catalogueNames + files(beginning: word, extension: "gguf") }
  }

  /// Shipped texts, and text files.
  static var texts: CompletionKind {
    plain { _, word in Corpus.shippedNames.sorted() + files(beginning: word, extension: "txt")
    }
  }

  static var specs: CompletionKind { .file(extensions: ["json"]) }

  static var databases: CompletionKind { .file(extensions: ["sqlite", "db"]) }

  /// Of the database that the command line names, or the standard one.
  static var experiments: CompletionKind {
    plain { line, _ in (try? store(of: line).experimentNames()) ?? [] }
  }

  /// Labels and names of the experiment that the command line names, or of all in the database.
  static var storedStrategies: CompletionKind {
    .custom { line, place, _ in
      let experiment = value(of: "--experiment", in: line)
      let names = (try? store(of: line).strategyNames(in: experiment)) ?? []
      let offered = names.filter { isPlain($0, also: blanksAndBrackets) }
      // Other shells quote what they insert. For bash the word does it, if it begins with a quote.
      let isQuoted = line.indices.contains(place) && line[place].first.map("'\"".contains) == true
      return CompletionShell.requesting == .bash && !isQuoted ? offered.map(escaped) : offered
    }
  }

  /// What labels hold besides plain characters.
  private static let blanksAndBrackets = " ()"

  /// With a backslash before what would end a word, and one before each of these: bash expands it once.
  private static func escaped(_ label: String) -> String {
    label.map { blanksAndBrackets.contains($0) ? "\\\\\\\($0)" : String($0) }.joined()
  }

  private static func store(of line: [String]) throws -> ResultStore {
    try ResultStore(
      path: value(of: "--db", in: line) ?? DatabaseOptions.standardPath, access: .reading)
  }

  /// What stands behind an option, as `--db x`, `--db=x` or, as bash parts it, `--db = x`.
  private static func value(of option: String, in line: [String]) -> String? {
    if let joined = line.first(where: { $0.hasPrefix(option + "=") }) {
      return String(joined.dropFirst(option.count + 1))
    }
    let behind = line.drop { $0 != option }.dropFirst()
    return behind.first == "=" ? behind.dropFirst().first : behind.first
  }

  private static var catalogueNames: [String] {
    (try? ModelCatalogue.builtIn().names.sorted()) ?? []
  }

  /// Files of the folder that a word leads to, and its folders, as the word writes them.
  private static func files(beginning word: String, extension kind: String) -> [String] {
    let prefix = word.lastIndex(of: "/").map { String(word[...$0]) } ?? ""
    let folder = URL(fileURLWithPath: prefix.isEmpty ? "." : prefix)
    let found = try? FileManager.default.contentsOfDirectory(
      at: folder, includingPropertiesForKeys: [.isDirectoryKey], options: .skipsHiddenFiles)
    return (found ?? []).compactMap { file in
      if file.hasDirectoryPath { return prefix + file.lastPathComponent + "/" }
      return file.pathExtension == kind ? prefix + file.lastPathComponent : nil
    }.sorted()
  }
}
