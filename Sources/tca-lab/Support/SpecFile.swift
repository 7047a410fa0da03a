import Attention
import Foundation
import ModelLibrary
import Planning
import Records
import Tasks

extension SpecEnvironment {
  /// What the program knows, with relative paths starting at `folder`.
  static func inFolder(_ folder: URL) throws -> SpecEnvironment {
    let catalogue = try ModelCatalogue.builtIn()
    return SpecEnvironment(
      strategies: StrategyRegistry.builtIn.descriptions, tasks: TaskRegistry.builtIn.descriptions,
      catalogueModels: catalogue.names, shippedTexts: Corpus.shippedNames, folder: folder.path,
      cores: ProcessInfo.processInfo.activeProcessorCount,
      textDigest: { try Corpus(named: $0, folder: folder).digest },
      modelFacts: { reference in
        // What is wrong with a model is told when it is loaded; a spec is not at fault.
        try? catalogue.facts(of: reference)
      },
      strategyProblems: SpecEnvironment.problems(in: .builtIn),
      taskProblems: {
        TaskRegistry.builtIn.problems(
          of: $0, parameters: $1, contextLength: $2, folder: folder)
      },
      fileProblems: {
        TaskRegistry.builtIn.fileProblems(of: $0, parameters: $1, folder: folder)
      })
  }

  /// For a strategy of the command line: paths start at the working directory.
  static var commandLine: SpecEnvironment {
    get throws {
      try .inFolder(.currentDirectory())
    }
  }
}

extension ModelCatalogue {
  /// What there is to know of a model that a spec names; throws for one that is missing or damaged.
  func facts(of reference: ModelReference) throws -> ModelFacts {
    try ModelFacts(
      name: reference.name, path: reference.path ?? resolve(reference.catalogueName),
      ropeScaling: reference.ropeScaling
    ) { digest in
      if reference.path == nil { try require(digest: digest, of: reference.catalogueName) }
    }
  }

  /// Throws where a file under a catalogue name is not what the catalogue says.
  func require(digest: String, of name: String) throws {
    guard let model = model(named: name), model.sha256 != digest else { return }
    throw ModelLibraryError(
      .damagedFile,
      "\(cache.path(of: model)): its SHA-256 \"\(digest.prefix(12))…\" is not the catalogue's \(model.sha256.prefix(12))…; fetch it again: tca-lab models pull \(name)"
    )
  }
}

/// A spec file that has been read and checked.
struct SpecFile {
  let text: String
  let folder: URL
  let checked: CheckedSpec

  /// Throws a failure with code 2 where the file cannot be read or anything in it is wrong.
  init(path: String) throws {
    do {
      text = try TextFile.text(at: path)
    } catch {
      throw Failure(.usage, "the spec \(error)")
    }
    folder = URL(fileURLWithPath: try WrittenPath.file(path)).deletingLastPathComponent()
    checked = try CheckedSpec(reading: Array(text.utf8), source: path, in: .inFolder(folder))
  }

  /// Throws a failure with code 3 for the first model that cannot be loaded, saying why.
  func requireModels() throws {
    for reference in checked.missingModels {
      _ = try ModelCatalogue.builtIn().facts(of: reference)
    }
  }
}
