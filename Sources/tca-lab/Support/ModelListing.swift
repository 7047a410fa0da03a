import Foundation
import JSON
import ModelLibrary
import Reports

/// The catalogue as a person or a program reads it.
struct ModelListing {
  let catalogue: ModelCatalogue

  var text: String {
    let rows = catalogue.models.map { model in
      [
        model.name, catalogue.cache.contains(model) ? "yes" : "no",
        String(format: "%.1f MB", Double(model.bytes) / 1e6),
        "\(model.geometry.contextLength)",
        "\(model.geometry.globalLayers) of \(model.geometry.layers)",
        model.licenceTitle, model.summary,
      ]
    }
    return TextTable(
      header: ["name", "pulled", "size", "context", "global layers", "licence", "what"],
      rows: rows, rightAligned: [2, 3]
    ).text
  }

  func json() throws -> JSONValue {
    .array(
      try catalogue.models.map { model in
        var members = try JSONValue(encoding: model).objectValue ?? [:]
        members["pulled"] = .boolean(catalogue.cache.contains(model))
        members["path"] = .string(catalogue.cache.path(of: model))
        if let source = members["source"], model.source.parts.count == 1 {
          // A source of one package has its names, too.
          let part = try JSONValue(encoding: model.source.parts[0]).objectValue ?? [:]
          members["source"] = .object(
            (source.objectValue ?? [:]).merging(part.filter { $0.key != "bytes" }) { old, _ in old }
          )
        }
        return .object(members)
      })
  }
}
