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
    .custom { line, _, word in
      words(line, word).filter { offered in
        offered.unicodeScalars.allSatisfy {
          $0.properties.isAlphabetic || $0.properties.numericType != nil
            || "-_./+,:@=".unicodeScalars.contains($0)
        }
      }
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
    plain { words, _ in
      let place = words.firstIndex(of: "--db").map { $0 + 1 }
      let path = place.flatMap { $0 < words.count ? words[$0] : nil }
      let store = try? ResultStore(path: path ?? DatabaseOptions.standardPath, access: .reading)
      return (try? store?.experimentNames()) ?? []
    }
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
