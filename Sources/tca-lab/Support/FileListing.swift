import GGUF
import JSON
import ModelLibrary
import Reports

/// What a GGUF file holds, as a person or a program reads it.
struct FileListing {
  let file: GGUFFile
  let inspection: ModelInspection

  /// - Parameter file: opened by `GGUFFile(surveying:)`.
  init(_ file: GGUFFile) {
    self.file = file
    inspection = ModelInspection(file)
  }

  var text: String {
    let metadata = file.metadataKeys.map { key in
      [key, file.metadata[key]?.shortText ?? ""]
    }
    let tensors = file.tensors.map { tensor in
      [
        tensor.name, tensor.type.name,
        tensor.dimensions.map(String.init).joined(separator: " x "), "\(tensor.byteCount)",
      ]
    }
    return """
      GGUF version \(file.version), \(file.metadataKeys.count) metadata entries, \(file.tensors.count) tensors

      \(InspectionText(inspection).text)

      \(TextTable(header: ["key", "value"], rows: metadata).text)

      \(TextTable(header: ["tensor", "format", "dimensions", "bytes"], rows: tensors, rightAligned: [3]).text)
      """
  }

  /// Scalars as they are; an array as its type and length, since vocabularies are long.
  private static func json(_ value: GGUFValue?) -> JSONValue {
    guard let value else { return .null }
    if let number = value.integer { return .integer(number) }
    switch value {
    case .float32(let number): return .number(Double(number))
    case .float64(let number): return .number(number)
    case .bool(let flag): return .boolean(flag)
    case .string(let text): return .string(text)
    default: return .string(value.typeName)
    }
  }

  func json() throws -> JSONValue {
    let contents: [String: JSONValue] = [
      "version": .integer(file.version),
      "metadata": .object(
        Dictionary(
          file.metadataKeys.map { ($0, Self.json(file.metadata[$0])) },
          uniquingKeysWith: { first, _ in first })),
      "tensors": .array(
        file.tensors.map { tensor in
          .object([
            "name": .string(tensor.name), "format": .string(tensor.type.name),
            "dimensions": .array(tensor.dimensions.map(JSONValue.integer)),
            "bytes": .integer(tensor.byteCount),
          ])
        }),
    ]
    let inspected = try JSONValue(encoding: inspection).objectValue ?? [:]
    return .object(contents.merging(inspected) { $1 })
  }
}
