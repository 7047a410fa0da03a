import Foundation
import ProgramFiles
import Records

/// The models that can be pulled by name: what they are, and how to know that a file is one.
public struct ModelCatalogue: Sendable, Hashable {
  public let models: [CatalogueModel]
  /// Where pulled files lie.
  public let cache: ModelCache

  public init(models: [CatalogueModel], cache: ModelCache = .standard) {
    self.models = models
    self.cache = cache
  }

  /// The catalogue that the program carries. Throws a ``ModelLibraryError`` where its file is missing.
  public static func builtIn(cache: ModelCache = .standard) throws -> ModelCatalogue {
    do {
      let path = try ProgramResources.path(of: "catalogue.json")
      let file = try JSONDecoder().decode(
        CatalogueFile.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
      return ModelCatalogue(models: file.models, cache: cache)
    } catch let error as ProgramResources.Missing {
      throw ModelLibraryError(.damagedCatalogue, error.description)
    } catch {
      throw ModelLibraryError(.damagedCatalogue, "the model catalogue cannot be read: \(error)")
    }
  }

  public var names: [String] { models.map(\.name) }

  /// The model of that name, or nil.
  public func model(named name: String) -> CatalogueModel? { models.first { $0.name == name } }

  /// The path of a model's file, which is there: a catalogue name's in the cache, or the path itself.
  ///
  /// A catalogue's name comes first: write `./name` for a file.
  /// - Throws: `notPulled` with the command that pulls it, `damagedFile` for a cached file of another size,
  ///   `missingFile`, and `unknownName` for a word that is neither.
  public func resolve(_ nameOrPath: String) throws(ModelLibraryError) -> String {
    if let model = model(named: nameOrPath) {
      let path = cache.path(of: model)
      switch cache.size(of: model) {
      case model.bytes: return path
      case nil:
        throw ModelLibraryError(
          .notPulled,
          "the model \"\(model.name)\" has not been pulled (no \(path)); fetch it: tca-lab models pull \(model.name)"
        )
      case let size?:
        throw ModelLibraryError(
          .damagedFile,
          "\(path): has \"\(size)\" bytes, the model \"\(model.name)\" has \(model.bytes); fetch it again: tca-lab models pull \(model.name)"
        )
      }
    }
    let path: String
    do {
      path = try WrittenPath.file(nameOrPath)
    } catch {
      throw ModelLibraryError(.missingFile, "\(error)")
    }
    switch PathTarget(of: path) {
    case .file: return path
    case .folder:
      throw ModelLibraryError(.missingFile, "\(nameOrPath): is a folder; a GGUF file is needed")
    case .hidden(let reason):
      throw ModelLibraryError(.missingFile, "\(nameOrPath): cannot be read: \(reason)")
    case .nothing:
      guard nameOrPath.contains("/") || nameOrPath.lowercased().hasSuffix(".gguf") else {
        throw unknown(nameOrPath)
      }
      throw ModelLibraryError(.missingFile, "\(nameOrPath): there is no such file")
    }
  }

  /// The model of that name. Throws `unknownName`.
  public func requireModel(named name: String) throws(ModelLibraryError) -> CatalogueModel {
    guard let model = model(named: name) else { throw unknown(name) }
    return model
  }

  private func unknown(_ name: String) -> ModelLibraryError {
    let nearest = NearestWord.to(name, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
    return ModelLibraryError(
      .unknownName,
      "\"\(name)\" is no model of the catalogue (\(names.joined(separator: ", "))) and no file\(nearest)"
    )
  }
}

private struct CatalogueFile: Decodable {
  var models: [CatalogueModel]
}
