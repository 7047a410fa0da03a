import JSON
import ModelLibrary

/// The catalogue as a program reads it.
enum ModelListing {
  static func json(_ catalogue: ModelCatalogue) throws -> JSONValue {
    .array(
      try catalogue.models.map { model in
        var members = try JSONValue(encoding: model).objectValue ?? [:]
        members["pulled"] = .boolean(isPulled(model, in: catalogue))
        members["path"] = .string(catalogue.cache.path(of: model))
        return .object(members)
      })
  }

  /// True if the cache holds a file of the right size.
  static func isPulled(_ model: CatalogueModel, in catalogue: ModelCatalogue) -> Bool {
    catalogue.cache.size(of: model) == model.bytes
  }
}
